import { decode, encode } from "@msgpack/msgpack";
import type { Random } from "../../src/routing/random.ts";

/** First bytes of MessagePack values of every type, and lengths at their bounds. */
const TAGS = [
  0x00, 0x7f, 0x80, 0x8f, 0x90, 0x93, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc9, 0xca,
  0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd3, 0xd4, 0xd6, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff,
];
const LENGTH_TAGS = [0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf];

/** Bytes changed in one of the ways in which they break: flips, cuts, splices, false lengths, swapped types. */
export function mutatedBytes(bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  const changed = new Uint8Array(bytes);
  const anywhere = (): number => Math.floor(random() * changed.byteLength);
  switch (Math.floor(random() * 5)) {
    case 0:
      for (let flips = 1 + Math.floor(random() * 8); flips > 0 && changed.byteLength > 0; flips--) {
        const at = anywhere();
        changed[at] = (changed[at] as number) ^ (1 << Math.floor(random() * 8));
      }
      return changed;
    case 1:
      return changed.slice(0, anywhere());
    case 2:
      return Uint8Array.from([
        ...changed.subarray(0, anywhere()),
        ...other.subarray(Math.floor(random() * other.byteLength)),
      ]);
    case 3: {
      const length = new DataView(new ArrayBuffer(5));
      length.setUint8(0, LENGTH_TAGS[Math.floor(random() * LENGTH_TAGS.length)] as number);
      length.setUint32(1, Math.floor(2 ** (32 * random())));
      const at = anywhere();
      changed.set(new Uint8Array(length.buffer).subarray(0, changed.byteLength - at), at);
      return changed;
    }
    default:
      changed[anywhere()] = TAGS[Math.floor(random() * TAGS.length)] as number;
      return changed;
  }
}

/** MessagePack whose value is changed somewhere inside and written anew: what it says is wrong, not how it is written. */
export function mutatedValue(bytes: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  let value = decode(bytes, { useBigInt64: true });
  for (let changes = 1 + Math.floor(random() * 3); changes > 0; changes--) value = changedSomewhere(value, random);
  return encode(value, { useBigInt64: true });
}

const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  Number.NaN,
  2 ** 31,
  2 ** 53,
  2n ** 63n,
  -(2n ** 63n),
  "",
  "BlockRemoved",
  "CPU",
  "x".repeat(300),
  [],
  [[]],
  {},
  { type: "BlockStored" },
  new Uint8Array(0),
  new Uint8Array(32),
];

function changedSomewhere(value: unknown, random: Random): unknown {
  const inner = Array.isArray(value) ? value.length : isMap(value) ? Object.keys(value).length : 0;
  if (inner > 0 && random() < 0.85) return changedInside(value, random);
  if (random() < 0.3 && typeof value === "number") return value + Math.round(4 * random() - 2);
  return ODD_VALUES[Math.floor(random() * ODD_VALUES.length)];
}

function changedInside(value: unknown, random: Random): unknown {
  if (isMap(value)) {
    const keys = Object.keys(value);
    const key = keys[Math.floor(random() * keys.length)] as string;
    return { ...value, [key]: changedSomewhere(value[key], random) };
  }
  const list = [...(value as unknown[])];
  const at = Math.floor(random() * list.length);
  const kind = random();
  if (kind < 0.1) list.splice(at, 1);
  else if (kind < 0.2) list.splice(at, 0, list[Math.floor(random() * list.length)]);
  else if (kind < 0.25) list.reverse();
  else if (kind < 0.27) return list.flatMap((one) => [one, one, one, one]);
  else list[at] = changedSomewhere(list[at], random);
  return list;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

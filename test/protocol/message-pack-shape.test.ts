import { decode, encode } from "@msgpack/msgpack";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isWholeMessagePack } from "../../src/protocol/message-pack-shape.ts";

const values = fc.anything({
  withBigInt: false,
  withTypedArray: false,
  withNullPrototype: false,
  values: [fc.string(), fc.integer(), fc.double(), fc.boolean(), fc.constant(null), fc.uint8Array({ maxLength: 300 })],
  maxDepth: 4,
});

function canBeRead(bytes: Uint8Array): boolean {
  try {
    decode(bytes);
    return true;
  } catch {
    return false;
  }
}

describe("whole MessagePack", () => {
  it("is what an encoder writes, whatever the value", () => {
    fc.assert(fc.property(values, (value) => isWholeMessagePack(encode(value))));
  });

  it.each([
    ["a text of 300", encode("x".repeat(300))],
    ["a text of 70,000", encode("x".repeat(70_000))],
    ["bytes of 70,000", encode(new Uint8Array(70_000))],
    ["a list of 70,000", encode(new Array(70_000).fill(1))],
    ["a map of 70,000", encode(Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [i, 1])))],
    ["a time", encode(new Date(1_785_000_000_123))],
    ["64-bit integers", encode([2 ** 52, -(2 ** 52)])],
  ])("is %s", (_, bytes) => {
    expect(isWholeMessagePack(bytes)).toBe(true);
  });

  it("is not what a reader cannot read for its lengths", () => {
    const edit = fc.record({ at: fc.nat(), byte: fc.nat(255) });
    fc.assert(
      fc.property(values, fc.array(edit, { minLength: 1, maxLength: 4 }), fc.nat(), (value, edits, cut) => {
        const bytes = encode(value).slice();
        for (const { at, byte } of edits) bytes[at % bytes.length] = byte;
        const part = cut % 3 === 0 ? bytes.slice(0, cut % bytes.length) : bytes;
        // What can be read has true lengths; the reader refuses more, texts that are no UTF-8 for one.
        return isWholeMessagePack(part) || !canBeRead(part);
      }),
      { numRuns: 5_000 },
    );
  });

  it("is not a value with something behind it", () => {
    expect(isWholeMessagePack(Uint8Array.of(0x01, 0x02))).toBe(false);
  });

  it("is not nested lists that each claim all of the bytes, and to see that takes no time", () => {
    const bytes = new Uint8Array(8_000_000).fill(0x01);
    const view = new DataView(bytes.buffer);
    for (let depth = 0; depth < 1_000; depth++) {
      view.setUint8(5 * depth, 0xdd);
      view.setUint32(5 * depth + 1, 7_900_000);
    }
    expect(isWholeMessagePack(bytes)).toBe(false);
  });
});

/**
 * Whether bytes are one whole MessagePack value: every length in them is of something that is there. A reader sets
 * memory aside for as many elements as a header claims, and each of many nested headers can claim all of the bytes: two
 * forged megabytes ask for gigabytes. Walks the headers, keeps nothing, takes time in proportion to the bytes.
 * Format: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
export function isWholeMessagePack(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.byteLength;
  let at = 0;
  // Each value that is still to come takes a byte at least.
  for (let missing = 1; missing > 0; missing--) {
    if (missing > end - at) return false;
    const tag = bytes[at++] as number;
    if (tag < 0x80 || tag >= 0xe0) continue;
    if (tag < 0x90) missing += 2 * (tag & 0x0f);
    else if (tag < 0xa0) missing += tag & 0x0f;
    else if (tag < 0xc0) at += tag & 0x1f;
    else if (tag >= FIRST_COUNTED) {
      const [widthBytes, perElement] = COUNTED[tag - FIRST_COUNTED] as readonly [number, number];
      if (end - at < widthBytes) return false;
      missing += perElement * lengthAt(view, at, widthBytes);
      at += widthBytes;
    } else {
      const [widthBytes, bodyBytes] = SIZED[tag - 0xc0] as readonly [number, number];
      if (end - at < widthBytes || bodyBytes === NEVER_USED) return false;
      at += widthBytes + bodyBytes + (widthBytes === 0 ? 0 : lengthAt(view, at, widthBytes));
    }
  }
  return at === end;
}

function lengthAt(view: DataView, at: number, widthBytes: number): number {
  if (widthBytes === 1) return view.getUint8(at);
  return widthBytes === 2 ? view.getUint16(at) : view.getUint32(at);
}

const NEVER_USED = -1;

/** From 0xc0 on: bytes of the length, and bytes of the value beside it. */
const SIZED: readonly (readonly [number, number])[] = [
  // nil, (never used), false, true
  ...([
    [0, 0],
    [0, NEVER_USED],
    [0, 0],
    [0, 0],
  ] as const),
  // bin 8, 16, 32; ext 8, 16, 32 with its type
  ...([
    [1, 0],
    [2, 0],
    [4, 0],
    [1, 1],
    [2, 1],
    [4, 1],
  ] as const),
  // float 32, 64; uint 8 to 64; int 8 to 64
  ...([
    [0, 4],
    [0, 8],
    [0, 1],
    [0, 2],
    [0, 4],
    [0, 8],
    [0, 1],
    [0, 2],
    [0, 4],
    [0, 8],
  ] as const),
  // fixext 1 to 16 with its type; str 8, 16, 32
  ...([
    [0, 2],
    [0, 3],
    [0, 5],
    [0, 9],
    [0, 17],
    [1, 0],
    [2, 0],
    [4, 0],
  ] as const),
];

const FIRST_COUNTED = 0xdc;
/** array 16, 32; map 16, 32: bytes of the count, and values for each. */
const COUNTED = [
  [2, 1],
  [4, 1],
  [2, 2],
  [4, 2],
] as const;

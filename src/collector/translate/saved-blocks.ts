import type { BlockForest } from "./block-forest.ts";
import type { BlockKey } from "./block-key.ts";
import { type BlockIndex, FIELD, NIL } from "./block-records.ts";
import { FLAG } from "./block-tree.ts";

/**
 * The blocks of a rank as bytes, parents first, little-endian:
 *
 *     u32 key low, u32 key high, u32 number of the block before (or FIRST, or NAMED where only the key is known),
 *     u16 groups, u16 flags, u16 tokens,
 *     of a first block: u32 seed low, u32 seed high, u8 whether its scope is opaque,
 *     u24 for each token
 *
 * Hashes are not saved: they are computed anew, so that what is restored fits the tokenizer and secret of that time.
 */
const FIRST = 0xffff_ffff;
const NAMED = 0xffff_fffe;
const HEAD_BYTES = 18;
const SEED_BYTES = 9;
const TOKEN_BYTES = 3;

/** Host media, and what else of a block's flags its record cannot be computed from. */
const SAVED_FLAGS = FLAG.hostMedia | FLAG.opaque | FLAG.uncanonical;

/** Part of the bytes, as they are handed on. */
const CHUNK_BYTES = 256 * 1024;

/** Calls `write` with the bytes in order; they are used again after each call. Returns the number of blocks. */
export function saveBlocks(forest: BlockForest, write: (bytes: Buffer) => void): number {
  const { tree } = forest;
  const numbers = new Uint32Array(tree.records.limit);
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let at = 0;
  let count = 0;
  const stack: BlockIndex[] = [];
  for (let top = 1; top < tree.records.limit; top++) {
    if (!tree.has(top, FLAG.live) || tree.parentOf(top) !== NIL) continue;
    stack.push(top);
    for (let block = stack.pop(); block !== undefined; block = stack.pop()) {
      numbers[block] = count++;
      const room = HEAD_BYTES + SEED_BYTES + TOKEN_BYTES * tree.tokenCount(block);
      if (at + room > CHUNK_BYTES) {
        write(buffer.subarray(0, at));
        at = 0;
      }
      if (room > CHUNK_BYTES) {
        const large = Buffer.allocUnsafe(room);
        write(large.subarray(0, writeBlock(forest, block, numbers, large, 0)));
      } else at = writeBlock(forest, block, numbers, buffer, at);
      tree.addChildren(block, stack);
    }
  }
  if (at > 0) write(buffer.subarray(0, at));
  return count;
}

function writeBlock(forest: BlockForest, block: BlockIndex, numbers: Uint32Array, out: Buffer, start: number): number {
  const { tree, scopes } = forest;
  const { records } = tree;
  const before = tree.parentOf(block);
  const tokens = tree.tokenCount(block);
  let at = out.writeUInt32LE(records.get(block, FIELD.keyLow), start);
  at = out.writeUInt32LE(records.get(block, FIELD.keyHigh), at);
  const isFirst = tree.has(block, FLAG.first);
  at = out.writeUInt32LE(isFirst ? FIRST : before === NIL ? NAMED : (numbers[before] as number), at);
  at = out.writeUInt16LE(tree.groupsOf(block), at);
  at = out.writeUInt16LE(records.get(block, FIELD.flags) & SAVED_FLAGS, at);
  at = out.writeUInt16LE(tokens, at);
  if (isFirst) {
    const scope = records.get(block, FIELD.parentOrScope);
    at = out.writeUInt32LE(scopes.seedLow(scope), at);
    at = out.writeUInt32LE(scopes.seedHigh(scope), at);
    at = out.writeUInt8(scopes.isOpaque(scope) ? 1 : 0, at);
  }
  for (let place = 0; place < tokens; place++) at = out.writeUIntLE(records.token(block, place), at, TOKEN_BYTES);
  return at;
}

/** Fills an empty forest with `count` saved blocks. Returns where their bytes end; throws if they are cut off. */
export function restoreBlocks(forest: BlockForest, count: number, bytes: Buffer, start: number): number {
  const { tree, scopes } = forest;
  const blocks = new Uint32Array(count);
  const key: BlockKey = { low: 0, high: 0 };
  let at = start;
  for (let number = 0; number < count; number++) {
    key.low = bytes.readUInt32LE(at);
    key.high = bytes.readUInt32LE(at + 4);
    const before = bytes.readUInt32LE(at + 8);
    const groups = bytes.readUInt16LE(at + 12);
    const flags = bytes.readUInt16LE(at + 14);
    const ids = new Uint32Array(bytes.readUInt16LE(at + 16));
    const seedAt = at + HEAD_BYTES;
    at = seedAt + (before === FIRST ? SEED_BYTES : 0);
    for (let i = 0; i < ids.length; i++, at += TOKEN_BYTES) ids[i] = bytes.readUIntLE(at, TOKEN_BYTES);
    const block = forest.name(key);
    blocks[number] = block;
    tree.raise(block, flags & FLAG.uncanonical);
    const content = { ids, from: 0, count: ids.length, opaque: (flags & FLAG.opaque) !== 0 };
    if (before === FIRST) {
      const [low, high] = [bytes.readUInt32LE(seedAt), bytes.readUInt32LE(seedAt + 4)];
      forest.begin(block, content, scopes.useSeed(low, high, bytes[seedAt + 8] === 1));
    } else if (before !== NAMED) forest.append(block, content, blocks[before] as BlockIndex);
    if (groups !== 0) forest.putIn(block, 0, groups);
    for (let medium = 1; medium <= FLAG.hostMedia; medium <<= 1) {
      if ((flags & medium) !== 0) forest.putIn(block, medium, 0);
    }
  }
  // Only now, with all that are behind them: what is let go of takes them along.
  for (const block of blocks) if (tree.has(block, FLAG.live)) forest.lineUp(block);
  return at;
}

import type { ClaimChange } from "../../routing/confirmed-claims.ts";
import type { BlockChange } from "./fleet-router.ts";

/** Tokens of the segments that the edge hashes: 256 bytes of 4 bytes a token. Coarser blocks are segments themselves. */
const SEGMENT_TOKENS = 64;

/** Engine blocks that make one segment. */
export function blocksPerSegment(blockTokens: number): number {
  return Math.max(1, Math.floor(SEGMENT_TOKENS / blockTokens));
}

/** Segment hashes, low and high words in turn, of a prompt with these blocks. */
export function segmentHashes(blocks: Uint32Array, perSegment: number): Uint32Array {
  const count = Math.floor(blocks.length / perSegment);
  const words = new Uint32Array(2 * count);
  // Block ids are chained, so the last block's id stands for the whole segment and all before it.
  for (let i = 0; i < count; i++) writeHash(words, i, blocks[(i + 1) * perSegment - 1] as number);
  return words;
}

/** Changes of blocks as changes of claims, order kept: a segment comes and goes with its last block. */
export function segmentsOfChanges(
  changes: readonly BlockChange[],
  perSegment: number,
  blockTokens: number,
): ClaimChange[] {
  const claims: ClaimChange[] = [];
  let from = 0;
  while (from < changes.length) {
    const storing = (changes[from] as BlockChange).depth >= 0;
    let to = from;
    while (to < changes.length && (changes[to] as BlockChange).depth >= 0 === storing) to++;
    const run = changes.slice(from, to).filter(({ depth }) => !storing || (depth + 1) % perSegment === 0);
    const segments = new Uint32Array(2 * run.length);
    for (const [i, { id }] of run.entries()) writeHash(segments, i, id);
    if (storing) {
      const tokens = Uint32Array.from(run, ({ depth }) => (depth + 1) * blockTokens);
      claims.push({ kind: "store", tier: "gpu", segments, tokens });
    } else {
      // A segment without its last block is no hit any more; removing an id that ends none changes nothing.
      claims.push({ kind: "remove", segments });
    }
    from = to;
  }
  return claims;
}

function writeHash(words: Uint32Array, index: number, id: number): void {
  words[2 * index] = mixed(id);
  words[2 * index + 1] = mixed(id ^ 0x5bd1e995);
}

/** A 32-bit integer hash (Chris Wellons' hash prospector, public domain): equal for equal ids only. */
function mixed(id: number): number {
  let word = Math.imul(id ^ (id >>> 16), 0x21f0aaad);
  word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
  return (word ^ (word >>> 15)) >>> 0;
}

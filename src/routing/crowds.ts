import { type ClaimId, NIL } from "./claim-pages.ts";
import type { PodSlot } from "./pod-slot.ts";

/** A crowd's number: where its block begins, in units of eight words. It moves as the crowd grows. */
export type CrowdId = number;

/** Where holders are noted: by slot, the word of each one's claim and how many segments it has of a prompt. */
export type FoundHolders = { readonly words: Uint32Array; readonly depths: Uint32Array; readonly depth: number };

const UNIT_BITS = 3;
const ARENA_UNIT_BITS = 11;
const ARENA_UNIT_MASK = (1 << ARENA_UNIT_BITS) - 1;
const ARENA_WORDS = 1 << (ARENA_UNIT_BITS + UNIT_BITS);

/** Words of a block, by its class: steps of about 1.4, so that little of a block is unused. 4,096 pods fit the last. */
const BLOCK_WORDS = [24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024, 1_536, 2_048, 3_072, 4_096, 6_144, 8_448];

/** A block: how many holders, how many words of bits, its class, then the bits, the claims, the claims' words. */
const SIZE = 0;
const BIT_WORDS = 1;
const CLASS = 2;
const HEADER = 3;

/**
 * The holders of much-held segments (a shared system prompt), packed: which pods as bits, and in the order of their
 * slots each one's claim and a copy of its word. Following the claims one by one costs a cache miss a holder; the first
 * segments of a prompt are looked up again and again and may have every pod in them.
 */
export class Crowds {
  readonly #arenas: Uint32Array[] = [];
  #nextUnit = 0;
  /** By class: blocks given back. */
  readonly #free: number[][] = BLOCK_WORDS.map(() => []);
  #usedBytes = 0;

  get allocatedBytes(): number {
    return this.#arenas.length * ARENA_WORDS * 4;
  }

  /** Bytes of the blocks in use. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** An empty crowd. */
  open(): CrowdId {
    return this.#allocate(0, 1);
  }

  /** Gives a crowd's memory back. */
  close(crowd: CrowdId): void {
    const blockClass = this.#arena(crowd)[this.#base(crowd) + CLASS] as number;
    (this.#free[blockClass] as number[]).push(crowd);
    this.#usedBytes -= 4 * (BLOCK_WORDS[blockClass] as number);
  }

  size(crowd: CrowdId): number {
    return this.#arena(crowd)[this.#base(crowd) + SIZE] as number;
  }

  /** The claim of the holder with this many before it. */
  claimAt(crowd: CrowdId, rank: number): ClaimId {
    const arena = this.#arena(crowd);
    const base = this.#base(crowd);
    return arena[base + HEADER + (arena[base + BIT_WORDS] as number) + rank] as number;
  }

  /** The claim of a pod, NIL if it is no holder. */
  claimOf(crowd: CrowdId, pod: PodSlot): ClaimId {
    const arena = this.#arena(crowd);
    const base = this.#base(crowd);
    if (pod >>> 5 >= (arena[base + BIT_WORDS] as number)) return NIL;
    if (((arena[base + HEADER + (pod >>> 5)] as number) & (1 << (pod & 31))) === 0) return NIL;
    return this.claimAt(crowd, rankIn(arena, base, pod));
  }

  /** Adds a holder that is not in it. Returns the crowd's number from now on. */
  join(before: CrowdId, pod: PodSlot, claim: ClaimId, word: number): CrowdId {
    const crowd = this.#withRoom(before, pod);
    const arena = this.#arena(crowd);
    const base = this.#base(crowd);
    const size = arena[base + SIZE] as number;
    const rank = rankIn(arena, base, pod);
    const claims = claimsAt(arena, base);
    const words = wordsAt(arena, base);
    arena.copyWithin(claims + rank + 1, claims + rank, claims + size);
    arena.copyWithin(words + rank + 1, words + rank, words + size);
    arena[claims + rank] = claim;
    arena[words + rank] = word;
    const bits = base + HEADER + (pod >>> 5);
    arena[bits] = (arena[bits] as number) | (1 << (pod & 31));
    arena[base + SIZE] = size + 1;
    return crowd;
  }

  /** Takes a holder out. */
  leave(crowd: CrowdId, pod: PodSlot): void {
    const arena = this.#arena(crowd);
    const base = this.#base(crowd);
    const size = arena[base + SIZE] as number;
    const rank = rankIn(arena, base, pod);
    const claims = claimsAt(arena, base);
    const words = wordsAt(arena, base);
    arena.copyWithin(claims + rank, claims + rank + 1, claims + size);
    arena.copyWithin(words + rank, words + rank + 1, words + size);
    const bits = base + HEADER + (pod >>> 5);
    arena[bits] = (arena[bits] as number) & ~(1 << (pod & 31));
    arena[base + SIZE] = size - 1;
  }

  /** Replaces a holder's claim and word. */
  set(crowd: CrowdId, pod: PodSlot, claim: ClaimId, word: number): void {
    const arena = this.#arena(crowd);
    const base = this.#base(crowd);
    const rank = rankIn(arena, base, pod);
    arena[claimsAt(arena, base) + rank] = claim;
    arena[wordsAt(arena, base) + rank] = word;
  }

  /** Adds the holders to a row of bits that begins at `row[start]` and has room for every slot. */
  orInto(crowd: CrowdId, row: Uint32Array, start: number): void {
    const arena = this.#arena(crowd);
    const base = this.#base(crowd);
    const bits = base + HEADER;
    const bitWords = arena[base + BIT_WORDS] as number;
    for (let i = 0; i < bitWords; i++) row[start + i] = (row[start + i] as number) | (arena[bits + i] as number);
  }

  /** Notes those holders that are in a row of bits. */
  noteHolders(crowd: CrowdId, row: Uint32Array, start: number, { words, depths, depth }: FoundHolders): void {
    const arena = this.#arena(crowd);
    const base = this.#base(crowd);
    const bitWords = arena[base + BIT_WORDS] as number;
    let word = wordsAt(arena, base);
    for (let i = 0; i < bitWords; i++) {
      const among = row[start + i] as number;
      const holders = arena[base + HEADER + i] as number;
      if ((among & holders) === 0) {
        word += ones(holders);
        continue;
      }
      for (let left = holders; left !== 0; left &= left - 1) {
        const bit = 31 - Math.clz32(left & -left);
        if ((among & (1 << bit)) !== 0) {
          words[32 * i + bit] = arena[word] as number;
          depths[32 * i + bit] = depth;
        }
        word++;
      }
    }
  }

  /** The crowd, moved to a larger block if one more holder, this one, does not fit. */
  #withRoom(crowd: CrowdId, pod: PodSlot): CrowdId {
    const arena = this.#arena(crowd);
    const base = this.#base(crowd);
    const size = arena[base + SIZE] as number;
    const bitWords = arena[base + BIT_WORDS] as number;
    if (pod >>> 5 < bitWords && size < capacity(arena, base)) return crowd;
    const larger = this.#allocate(size + 1, Math.max(bitWords, (pod >>> 5) + 1));
    const to = this.#arena(larger);
    const toBase = this.#base(larger);
    to[toBase + SIZE] = size;
    for (let i = 0; i < bitWords; i++) to[toBase + HEADER + i] = arena[base + HEADER + i] as number;
    const [claims, words] = [claimsAt(arena, base), wordsAt(arena, base)];
    to.set(arena.subarray(claims, claims + size), claimsAt(to, toBase));
    to.set(arena.subarray(words, words + size), wordsAt(to, toBase));
    this.close(crowd);
    return larger;
  }

  #allocate(holders: number, bitWords: number): CrowdId {
    const blockClass = BLOCK_WORDS.findIndex((words) => words >= HEADER + bitWords + 2 * holders);
    const blockWords = BLOCK_WORDS[blockClass] as number;
    const crowd = (this.#free[blockClass] as number[]).pop() ?? this.#newBlock(blockWords >>> UNIT_BITS);
    this.#usedBytes += 4 * blockWords;
    const arena = this.#arena(crowd);
    const base = this.#base(crowd);
    arena[base + SIZE] = 0;
    arena[base + BIT_WORDS] = bitWords;
    arena[base + CLASS] = blockClass;
    arena.fill(0, base + HEADER, base + HEADER + bitWords);
    return crowd;
  }

  #newBlock(units: number): CrowdId {
    const left = (this.#arenas.length << ARENA_UNIT_BITS) - this.#nextUnit;
    if (left < units) {
      this.#nextUnit = this.#arenas.length << ARENA_UNIT_BITS;
      this.#arenas.push(new Uint32Array(ARENA_WORDS));
    }
    const block = this.#nextUnit;
    this.#nextUnit += units;
    return block;
  }

  #arena(crowd: CrowdId): Uint32Array {
    return this.#arenas[crowd >>> ARENA_UNIT_BITS] as Uint32Array;
  }

  #base(crowd: CrowdId): number {
    return (crowd & ARENA_UNIT_MASK) << UNIT_BITS;
  }
}

/** Holders that fit a block: what is left of it, for claims and words alike. */
function capacity(arena: Uint32Array, base: number): number {
  const blockWords = BLOCK_WORDS[arena[base + CLASS] as number] as number;
  return (blockWords - HEADER - (arena[base + BIT_WORDS] as number)) >>> 1;
}

function claimsAt(arena: Uint32Array, base: number): number {
  return base + HEADER + (arena[base + BIT_WORDS] as number);
}

function wordsAt(arena: Uint32Array, base: number): number {
  return claimsAt(arena, base) + capacity(arena, base);
}

/** Holders with a lower slot. */
function rankIn(arena: Uint32Array, base: number, pod: PodSlot): number {
  const bits = base + HEADER;
  let rank = ones((arena[bits + (pod >>> 5)] as number) & ((1 << (pod & 31)) - 1));
  for (let i = 0; i < pod >>> 5; i++) rank += ones(arena[bits + i] as number);
  return rank;
}

/** Set bits of a word, summed in pairs, then fours, then bytes. */
function ones(word: number): number {
  const pairs = word - ((word >>> 1) & 0x5555_5555);
  const fours = (pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

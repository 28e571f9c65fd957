import type { ClaimTable } from "./claim-table.ts";
import { MOST_SLOTS, type PodSlot } from "./pod-slot.ts";

/** Steps down a bisection can take, each at least halving its range, and one row for the first step's look-up. */
const MOST_ROWS = 34;

/** Beginnings of prompts of which it is remembered where pods ended: of two with the same low bits, the last. */
const BEGINNINGS = 256;

/** Steps of a bisection whose look-ups are prepared together: more cost more than they save. */
const FIRST_STEPS = 4;

/**
 * How many leading segments of a prompt each pod holds, in any of the given tables.
 *
 * Claims are prefix-closed per pod (whoever holds a segment holds all before it), so the set of holders only shrinks
 * with depth and is found by bisection: O(log segments) look-ups for each distinct depth instead of one a segment. Sets
 * of pods are rows of bits: what a look-up adds is cut with the pods in question a word, 32 pods, at a time.
 */
export class PrefixMatcher {
  readonly #tables: readonly ClaimTable[];
  /** One row for each step down into the bisection. */
  #rows = new Uint32Array(MOST_ROWS);
  #rowWords = 1;
  /** By pod, 0 where it was not found. */
  readonly #depths = new Uint32Array(MOST_SLOTS);
  /** By pod, of those that were found. */
  readonly #words = new Uint32Array(MOST_SLOTS);
  /** Pods that could have been found so far. */
  #slots = 0;
  /** The pods found, together by depth: `#groupDepths[i]` is that of the pods in row i of `#groups`. */
  readonly #groupDepths: number[] = [];
  #groups = new Uint32Array(8);
  readonly #rest = new Uint32Array(MOST_SLOTS >>> 5);
  /** By the first segment of a prompt: how many segments the pods with the fewest of it had. A shared system prompt's. */
  readonly #shared = new Uint32Array(BEGINNINGS);

  constructor(tables: readonly ClaimTable[]) {
    this.#tables = tables;
  }

  /**
   * Looks up a prompt. `segments` are pairs of low and high words. After it, `depth(pod)` tells each pod's matched
   * segments until the next look-up.
   */
  match(segments: Uint32Array): void {
    if (!this.#begin(segments, 0)) return;
    // The first steps go to one of a few evenly spaced segments.
    const step = (segments.length >>> FIRST_STEPS) & ~1;
    if (step > 2) for (const table of this.#tables) table.warm(segments, step);
    if (!this.#lookInto(segments, 0, 0)) return;
    const beginning = (segments[0] as number) % BEGINNINGS;
    this.#descend(segments, 0, segments.length >>> 1, 0, this.#shared[beginning] as number);
    // The shallowest are settled last.
    this.#shared[beginning] = this.#groupDepths.at(-1) as number;
  }

  /**
   * Looks up how far pods go on from where another matcher's look-up of the same prompt found them to end. `depth(pod)`
   * then counts from the prompt's beginning, and is 0 for a pod that does not go on.
   */
  extend(base: PrefixMatcher, segments: Uint32Array): void {
    if (!this.#begin(segments, base.#rowWords)) return;
    const count = segments.length >>> 1;
    const rest = this.#rest;
    for (let i = 0; i < this.#rowWords; i++) rest[i] = 0xffff_ffff;
    for (let group = 0; group < base.#groupDepths.length; group++) {
      const depth = base.#groupDepths[group] as number;
      const start = group * base.#rowWords;
      for (let i = 0; i < base.#rowWords; i++) {
        rest[i] = (rest[i] as number) & ~(base.#groups[start + i] as number);
      }
      if (depth === count || !this.#lookInto(segments, depth, 0)) continue;
      if (this.#cut(0, base.#groups, start, base.#rowWords)) this.#descend(segments, depth, count, 0);
    }
    if (!this.#lookInto(segments, 0, 0)) return;
    if (this.#cut(0, rest, 0, this.#rowWords)) this.#descend(segments, 0, count, 0);
  }

  /** Matched segments of a pod in the last look-up. */
  depth(pod: PodSlot): number {
    return this.#depths[pod] as number;
  }

  /** The word of the pod's claim on the last of those segments; 0 without any. */
  word(pod: PodSlot): number {
    return this.#depths[pod] === 0 ? 0 : (this.#words[pod] as number);
  }

  /** Matched segments by pod. To be read only, and good until the next look-up. */
  get depths(): Uint32Array {
    return this.#depths;
  }

  /** By pod, of those with a depth: the word of its claim on the last matched segment. */
  get words(): Uint32Array {
    return this.#words;
  }

  /** Forgets the last look-up. False if there is nothing to find. */
  #begin(segments: Uint32Array, leastRowWords: number): boolean {
    this.#depths.fill(0, 0, this.#slots);
    this.#groupDepths.length = 0;
    let slots = 0;
    let claims = 0;
    for (const table of this.#tables) {
      slots = Math.max(slots, table.slotBound);
      claims += table.size;
    }
    this.#rowWords = Math.max(leastRowWords, (slots + 31) >>> 5);
    this.#slots = Math.max(this.#slots, 32 * this.#rowWords);
    if (this.#rows.length < MOST_ROWS * this.#rowWords) this.#rows = new Uint32Array(MOST_ROWS * this.#rowWords);
    return claims > 0 && segments.length > 0;
  }

  /**
   * The pods of a row hold segment `low`; where in (low, high] does each one's run end? `guess` is how many segments many
   * of them may have: right, it spares the bisection; wrong, it costs a step.
   */
  #descend(segments: Uint32Array, fromLow: number, fromHigh: number, row: number, guess = 0): void {
    let low = fromLow;
    let high = fromHigh;
    let tried = guess - 1;
    while (high - low > 1) {
      const middle = low < tried && tried < high ? tried : (low + high) >>> 1;
      tried = tried === guess - 1 ? guess : 0;
      const some =
        this.#lookInto(segments, middle, row + 1) &&
        this.#cut(row + 1, this.#rows, row * this.#rowWords, this.#rowWords);
      if (!some) {
        high = middle;
      } else if (!this.#subtract(row, row + 1)) {
        this.#copy(row + 1, row);
        low = middle;
      } else {
        // Who goes on behind what is shared may well have the whole prompt.
        this.#descend(segments, middle, high, row + 1, high === segments.length >>> 1 ? high : 0);
        high = middle;
      }
    }
    this.#settle(segments, low, row);
  }

  #settle(segments: Uint32Array, low: number, row: number): void {
    const start = row * this.#rowWords;
    // Whoever is in the row holds the segment in one of the tables.
    const found = { words: this.#words, depths: this.#depths, depth: low + 1 };
    for (const table of this.#tables) table.noteHolders(segments, 2 * low, this.#rows, start, found);
    const group = this.#groupDepths.push(low + 1) - 1;
    if (this.#groups.length < (group + 1) * this.#rowWords) {
      const grown = new Uint32Array(2 * (group + 1) * this.#rowWords);
      grown.set(this.#groups);
      this.#groups = grown;
    }
    for (let i = 0; i < this.#rowWords; i++) {
      this.#groups[group * this.#rowWords + i] = this.#rows[start + i] as number;
    }
  }

  /** Fills a row with the holders of a segment. False if there are none. */
  #lookInto(segments: Uint32Array, index: number, row: number): boolean {
    const start = row * this.#rowWords;
    const end = start + this.#rowWords;
    const rows = this.#rows;
    for (let i = start; i < end; i++) rows[i] = 0;
    for (const table of this.#tables) table.holdersInto(segments, 2 * index, rows, start);
    for (let i = start; i < end; i++) if (rows[i] !== 0) return true;
    return false;
  }

  /** Leaves in a row only what is in another too, of which there are `words`. False if nothing is left. */
  #cut(row: number, other: Uint32Array, otherStart: number, words: number): boolean {
    const start = row * this.#rowWords;
    const rows = this.#rows;
    let left = 0;
    for (let i = 0; i < this.#rowWords; i++) {
      const word = i < words ? (rows[start + i] as number) & (other[otherStart + i] as number) : 0;
      rows[start + i] = word;
      left |= word;
    }
    return left !== 0;
  }

  /** Takes out of a row what is in another. False if nothing is left. */
  #subtract(row: number, other: number): boolean {
    const start = row * this.#rowWords;
    const otherStart = other * this.#rowWords;
    const rows = this.#rows;
    let left = 0;
    for (let i = 0; i < this.#rowWords; i++) {
      const word = (rows[start + i] as number) & ~(rows[otherStart + i] as number);
      rows[start + i] = word;
      left |= word;
    }
    return left !== 0;
  }

  #copy(from: number, to: number): void {
    const words = this.#rowWords;
    for (let i = 0; i < words; i++) this.#rows[to * words + i] = this.#rows[from * words + i] as number;
  }
}

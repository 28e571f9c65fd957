import type { ClaimTable } from "./claim-table.ts";
import { MOST_SLOTS, type PodSlot } from "./pod-slot.ts";

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
  #rows = new Uint32Array(64);
  #rowWords = 1;
  readonly #depths = new Uint32Array(MOST_SLOTS);
  readonly #words = new Uint32Array(MOST_SLOTS);
  /** By pod: the look-up in which it was last found. */
  readonly #found = new Float64Array(MOST_SLOTS);
  #lookUp = 0;

  constructor(tables: readonly ClaimTable[]) {
    this.#tables = tables;
  }

  /**
   * Looks up a prompt. `segments` are pairs of low and high words. After it, `depth(pod)` tells each pod's matched
   * segments until the next look-up.
   */
  match(segments: Uint32Array): void {
    this.#lookUp++;
    const count = segments.length >>> 1;
    let slots = 0;
    for (const table of this.#tables) slots = Math.max(slots, table.slotBound);
    if (count === 0 || slots === 0) return;
    this.#rowWords = (slots + 31) >>> 5;
    // Each step down at least halves the range: 33 rows are enough for any array, one more for its first look-up.
    if (this.#rows.length < 34 * this.#rowWords) this.#rows = new Uint32Array(34 * this.#rowWords);
    if (this.#lookInto(segments, 0, 0)) this.#descend(segments, 0, count, 0);
  }

  /** Matched segments of a pod in the last look-up. */
  depth(pod: PodSlot): number {
    return this.#found[pod] === this.#lookUp ? (this.#depths[pod] as number) : 0;
  }

  /** The word of the pod's claim on the last of those segments; 0 without any. */
  word(pod: PodSlot): number {
    return this.#found[pod] === this.#lookUp ? (this.#words[pod] as number) : 0;
  }

  /** The pods of a row hold segment `low`; where in (low, high] does each one's run end? */
  #descend(segments: Uint32Array, fromLow: number, fromHigh: number, row: number): void {
    let low = fromLow;
    let high = fromHigh;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      const some = this.#lookInto(segments, middle, row + 1) && this.#cut(row + 1, row);
      if (!some) {
        high = middle;
      } else if (!this.#subtract(row, row + 1)) {
        this.#copy(row + 1, row);
        low = middle;
      } else {
        this.#descend(segments, middle, high, row + 1);
        high = middle;
      }
    }
    this.#settle(segments, low, row);
  }

  #settle(segments: Uint32Array, low: number, row: number): void {
    const start = row * this.#rowWords;
    for (const table of this.#tables) table.wordsAmong(segments, 2 * low, this.#rows, start, this.#words);
    for (let i = 0; i < this.#rowWords; i++) {
      for (let left = this.#rows[start + i] as number; left !== 0; left &= left - 1) {
        const pod = 32 * i + 31 - Math.clz32(left & -left);
        this.#depths[pod] = low + 1;
        this.#found[pod] = this.#lookUp;
      }
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

  /** Leaves in a row only what is in another too. False if nothing is left. */
  #cut(row: number, other: number): boolean {
    const start = row * this.#rowWords;
    const otherStart = other * this.#rowWords;
    const rows = this.#rows;
    let left = 0;
    for (let i = 0; i < this.#rowWords; i++) {
      const word = (rows[start + i] as number) & (rows[otherStart + i] as number);
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

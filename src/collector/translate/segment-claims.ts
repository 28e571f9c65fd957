import type { ClaimDigest } from "../../protocol/push-message.ts";
import { GPU, type Grade, HOST, NONE } from "./block-grade.ts";
import type { ClaimLog } from "./claim-log.ts";

const LEAST_SLOTS = 1024;

/**
 * What a pod claims at the edge: each segment with the number of blocks that complete it, by grade. Blocks that part
 * behind a segment's end, other tokens of the same text, another rank's copy: all complete the same segment, which is
 * claimed while one is left. Every change of a segment's best grade goes to the log.
 *
 * 16 bytes a slot, open addressing, between a third and two thirds full.
 */
export class SegmentClaims {
  readonly #log: ClaimLog;
  #low = new Uint32Array(LEAST_SLOTS);
  #high = new Uint32Array(LEAST_SLOTS);
  #onGpu = new Uint32Array(LEAST_SLOTS);
  #onHost = new Uint32Array(LEAST_SLOTS);
  #size = 0;
  /** By grade: the sums of the low and of the high words of its segments' hashes. */
  readonly #sums = new Uint32Array(6);

  constructor(log: ClaimLog) {
    this.#log = log;
  }

  /** Segments claimed. */
  get size(): number {
    return this.#size;
  }

  get allocatedBytes(): number {
    return 16 * this.#low.length;
  }

  /** What is claimed in each tier, as sums to compare with the edge's. */
  get digests(): { readonly gpu: ClaimDigest; readonly host: ClaimDigest } {
    return { gpu: this.#digestOf(GPU), host: this.#digestOf(HOST) };
  }

  /** One more block completes the segment, at this grade. The prompt has `tokens` up to and including the segment. */
  add(low: number, high: number, tokens: number, grade: Grade): void {
    if (3 * this.#size >= 2 * this.#low.length) this.#grow();
    const slot = this.#slotOf(low, high);
    const before = this.#gradeAt(slot);
    if (before === NONE) {
      this.#low[slot] = low;
      this.#high[slot] = high;
      this.#size++;
    }
    const counts = grade === GPU ? this.#onGpu : this.#onHost;
    counts[slot] = (counts[slot] as number) + 1;
    if (grade <= before) return;
    this.#moved(low, high, before, grade);
    this.#log.store(low, high, tokens, grade);
  }

  /** A block that completed the segment at this grade does so no more. */
  subtract(low: number, high: number, tokens: number, grade: Grade): void {
    const slot = this.#slotOf(low, high);
    const counts = grade === GPU ? this.#onGpu : this.#onHost;
    counts[slot] = (counts[slot] as number) - 1;
    const after = this.#gradeAt(slot);
    if (after < grade) this.#moved(low, high, grade, after);
    if (after === NONE) {
      this.#vacate(slot);
      this.#size--;
      this.#log.remove(low, high);
    } else if (after < grade) this.#log.store(low, high, tokens, HOST);
  }

  /** Forgets all, without a word to the log. */
  clear(): void {
    this.#allocate(LEAST_SLOTS);
    this.#size = 0;
    this.#sums.fill(0);
  }

  #moved(low: number, high: number, from: Grade, to: Grade): void {
    const sums = this.#sums;
    sums[2 * from] = (sums[2 * from] as number) - low;
    sums[2 * from + 1] = (sums[2 * from + 1] as number) - high;
    sums[2 * to] = (sums[2 * to] as number) + low;
    sums[2 * to + 1] = (sums[2 * to + 1] as number) + high;
  }

  #digestOf(grade: Grade): ClaimDigest {
    return { low: this.#sums[2 * grade] as number, high: this.#sums[2 * grade + 1] as number };
  }

  #gradeAt(slot: number): Grade {
    if (this.#onGpu[slot] !== 0) return GPU;
    return this.#onHost[slot] === 0 ? NONE : HOST;
  }

  #slotOf(low: number, high: number): number {
    const mask = this.#low.length - 1;
    let slot = low & mask;
    while (this.#gradeAt(slot) !== NONE && (this.#low[slot] !== low || this.#high[slot] !== high)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  /** Closes the hole that a freed slot leaves in the runs of others. */
  #vacate(freed: number): void {
    const mask = this.#low.length - 1;
    let hole = freed;
    for (let slot = (hole + 1) & mask; this.#gradeAt(slot) !== NONE; slot = (slot + 1) & mask) {
      const home = (this.#low[slot] as number) & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      for (const column of [this.#low, this.#high, this.#onGpu, this.#onHost]) column[hole] = column[slot] as number;
      this.#onGpu[slot] = 0;
      this.#onHost[slot] = 0;
      hole = slot;
    }
  }

  #grow(): void {
    const [low, high, onGpu, onHost] = [this.#low, this.#high, this.#onGpu, this.#onHost];
    this.#allocate(2 * low.length);
    for (let old = 0; old < low.length; old++) {
      if (onGpu[old] === 0 && onHost[old] === 0) continue;
      const slot = this.#slotOf(low[old] as number, high[old] as number);
      this.#low[slot] = low[old] as number;
      this.#high[slot] = high[old] as number;
      this.#onGpu[slot] = onGpu[old] as number;
      this.#onHost[slot] = onHost[old] as number;
    }
  }

  #allocate(slots: number): void {
    this.#low = new Uint32Array(slots);
    this.#high = new Uint32Array(slots);
    this.#onGpu = new Uint32Array(slots);
    this.#onHost = new Uint32Array(slots);
  }
}

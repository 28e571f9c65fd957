/** Work that may be done at once. */
const BURST_MS = 50;

/** Meters out computing time: a share of one core over time, saved up for short bursts. */
export class CheckBudget {
  readonly #share: number;
  #leftMs = BURST_MS;
  #updatedAtMs: number;

  /** `share` of a core, 0 to 1. */
  constructor(share: number, nowMs: number) {
    this.#share = share;
    this.#updatedAtMs = nowMs;
  }

  /** Computing time left now, in ms; below zero where more was spent. */
  left(nowMs: number): number {
    this.#leftMs = Math.min(BURST_MS, this.#leftMs + this.#share * (nowMs - this.#updatedAtMs));
    this.#updatedAtMs = nowMs;
    return this.#leftMs;
  }

  spend(ms: number): void {
    this.#leftMs -= ms;
  }
}

const SLOTS = 64;
const SLOT_MS = 50;
/** Memory of the busy share. */
const BUSY_MEMORY_MS = 60_000;

/**
 * How many leases a pod had at a moment of the last seconds, so that an engine's gauge, which is always a little old,
 * is compared with our own count of the same moment. And for how much of the time it had any.
 */
export class InFlightHistory {
  readonly #atMs = new Float64Array(SLOTS).fill(Number.NEGATIVE_INFINITY);
  readonly #counts = new Int32Array(SLOTS);
  readonly #startedTokens = new Float64Array(SLOTS);
  #last = 0;
  #busyShare = 0;
  #busyAtMs = Number.NEGATIVE_INFINITY;

  /** Notes the count that holds from `nowMs` on. Changes within 50 ms share a slot. */
  record(nowMs: number, count: number, startedTokens = 0): void {
    this.#busyShare = this.busyShare(nowMs);
    this.#busyAtMs = nowMs;
    const slotMs = Math.floor(nowMs / SLOT_MS) * SLOT_MS;
    if (slotMs > (this.#atMs[this.#last] as number)) {
      this.#last = (this.#last + 1) % SLOTS;
      this.#atMs[this.#last] = slotMs;
    }
    this.#counts[this.#last] = count;
    this.#startedTokens[this.#last] = startedTokens;
  }

  /** Share of the time, with an exponential memory of a minute, in which there was a lease: 0 to 1. */
  busyShare(nowMs: number): number {
    const keep = Math.exp(Math.min(0, this.#busyAtMs - nowMs) / BUSY_MEMORY_MS);
    const busy = (this.#counts[this.#last] as number) > 0 ? 1 : 0;
    return this.#busyShare * keep + busy * (1 - keep);
  }

  /** The count at a moment; 0 before the first record, the oldest kept one if the moment is too long ago. */
  at(momentMs: number): number {
    return this.#counts[this.#slotAt(momentMs)] ?? 0;
  }

  /** Prompt tokens, at a moment, that were prefilled or cached. */
  startedTokensAt(momentMs: number): number {
    return this.#startedTokens[this.#slotAt(momentMs)] ?? 0;
  }

  #slotAt(momentMs: number): number {
    let oldestKept = -1;
    for (let back = 0; back < SLOTS; back++) {
      const slot = (this.#last - back + SLOTS) % SLOTS;
      const slotMs = this.#atMs[slot] as number;
      if (slotMs === Number.NEGATIVE_INFINITY) return -1;
      if (slotMs <= momentMs) return slot;
      oldestKept = slot;
    }
    return oldestKept;
  }
}

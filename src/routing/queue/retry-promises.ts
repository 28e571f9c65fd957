/** Whose room a promise holds, and how much. */
export type PromisedRoom = { readonly priority: number; readonly key: string; readonly workTokens: number };

/** Room that is held at a moment. */
export type HeldRoom = { readonly requests: number; readonly workTokens: number };

export type PromiseLimits = {
  readonly heldAheadMs: number;
  readonly heldAfterMs: number;
  readonly mostPromises: number;
};

type RetryPromise = PromisedRoom & { readonly dueAtMs: number };

const NOTHING: HeldRoom = { requests: 0, workTokens: 0 };

/**
 * Times that refused clients were told to come back at. They are given out one after the other, no faster than work
 * leaves, and around its time each holds room against those that come for the first time: otherwise an overloaded queue
 * is as full at the retry as it was before, and whoever is told to wait waits for nothing.
 */
export class RetryPromises {
  readonly #limits: PromiseLimits;
  /** In the order of their times. */
  readonly #ahead = new Map<string, RetryPromise>();
  /** Those whose room is held now, in the same order. */
  readonly #due = new Map<string, RetryPromise>();
  readonly #heldByFlow = new Map<string, HeldRoom>();
  #lastDueMs = Number.NEGATIVE_INFINITY;
  #nextFreeMs = Number.NEGATIVE_INFINITY;

  constructor(limits: PromiseLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#ahead.size + this.#due.size;
  }

  /** Requests whose room is held now. */
  get held(): number {
    return this.#due.size;
  }

  /** Room held now for one key at one priority. */
  heldFor(priority: number, key: string): HeldRoom {
    return this.#heldByFlow.get(flowName(priority, key)) ?? NOTHING;
  }

  /** Begins and ends what is held. To be called before anything is asked at `nowMs`. */
  advance(nowMs: number): void {
    for (const [fingerprint, promise] of this.#ahead) {
      if (promise.dueAtMs - this.#limits.heldAheadMs > nowMs) break;
      this.#ahead.delete(fingerprint);
      this.#due.set(fingerprint, promise);
      this.#hold(promise, 1);
    }
    for (const [fingerprint, promise] of this.#due) {
      if (promise.dueAtMs + this.#limits.heldAfterMs >= nowMs) break;
      this.#due.delete(fingerprint);
      this.#hold(promise, -1);
    }
  }

  /** Whether room is held now for this very request. */
  isDue(fingerprint: string): boolean {
    return this.#due.has(fingerprint);
  }

  /** When the request was told to come back, if it was. */
  dueAtMs(fingerprint: string): number | undefined {
    return (this.#ahead.get(fingerprint) ?? this.#due.get(fingerprint))?.dueAtMs;
  }

  /** The request was taken in: its promise, if there was one, is kept. */
  keep(fingerprint: string): void {
    this.#ahead.delete(fingerprint);
    const promise = this.#due.get(fingerprint);
    if (promise === undefined) return;
    this.#due.delete(fingerprint);
    this.#hold(promise, -1);
  }

  /**
   * The first time from `earliestMs` on that is not given to others. `promise` gives it to a request that takes `spanMs`
   * of the pace.
   */
  freeFrom(earliestMs: number): number {
    return Math.max(earliestMs, this.#nextFreeMs);
  }

  /** Gives a time out. False if too many are given out already. */
  promise(fingerprint: string, room: PromisedRoom, dueAtMs: number, spanMs: number): boolean {
    if (this.size >= this.#limits.mostPromises) return false;
    this.#lastDueMs = Math.max(this.#lastDueMs, dueAtMs);
    this.#ahead.set(fingerprint, { ...room, dueAtMs: this.#lastDueMs });
    this.#nextFreeMs = this.#lastDueMs + spanMs;
    return true;
  }

  #hold({ priority, key, workTokens }: PromisedRoom, sign: 1 | -1): void {
    const name = flowName(priority, key);
    const held = this.#heldByFlow.get(name) ?? NOTHING;
    const requests = held.requests + sign;
    if (requests === 0) this.#heldByFlow.delete(name);
    else this.#heldByFlow.set(name, { requests, workTokens: held.workTokens + sign * workTokens });
  }
}

function flowName(priority: number, key: string): string {
  return `${priority} ${key}`;
}

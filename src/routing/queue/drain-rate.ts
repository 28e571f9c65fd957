/** The measured sums: work over the time it took to leave. */
export type DrainState = { readonly workTokens: number; readonly busyMs: number };

/**
 * The first that leaves takes a place on whose becoming free it has waited for a part of the time only: a half, as it
 * comes at any moment. With its wait left out, those that leave together with it would seem to have taken no time.
 */
const FIRST_COUNTS = 0.5;
/** In memories: a ten-billionth is left. */
const MOST_FORGOTTEN = 23;

/**
 * How fast work leaves the queue, in weighted tokens per millisecond. Only time with somebody waiting counts: an empty
 * queue shows how much is asked for, not how much could be served. Forgets exponentially over that time.
 */
export class DrainRate {
  readonly #memoryMs: number;
  readonly #measuredFromMs: number;
  /** What is believed before anything is measured, and the time that belief still weighs. */
  #priorTokensPerMs: number;
  #priorMs: number;
  #workTokens = 0;
  #busyMs = 0;
  /** Since when somebody has been waiting without anything leaving; undefined while nobody waits. */
  #openSinceMs: number | undefined;
  /** When the first of those that wait came, after nobody did. */
  #begunMs = Number.NEGATIVE_INFINITY;
  /** Whether one has left since. */
  #paced = false;

  /**
   * `prior`: what is believed before anything is measured, and the time that belief weighs. What leaves before
   * `measuredFromMs` says nothing of the pace.
   */
  constructor(memoryMs: number, prior: DrainState, measuredFromMs = Number.NEGATIVE_INFINITY) {
    this.#memoryMs = memoryMs;
    this.#measuredFromMs = measuredFromMs;
    this.#priorTokensPerMs = prior.workTokens / prior.busyMs;
    this.#priorMs = prior.busyMs;
  }

  /** A better prior: what was measured stays. One of 0 is none, waits would have no number. */
  assume(tokensPerMs: number): void {
    if (tokensPerMs > 0) this.#priorTokensPerMs = tokensPerMs;
  }

  /** Somebody begins to wait where nobody did. */
  begin(nowMs: number): void {
    this.#openSinceMs = nowMs;
    this.#begunMs = nowMs;
    this.#paced = false;
  }

  /** Work was placed. `waiting`: whether somebody waits still. */
  placed(workTokens: number, waiting: boolean, nowMs: number): void {
    // What leaves as it comes shows that pods are free, not how fast they work.
    if (nowMs > this.#begunMs) {
      const sinceMs = this.#openSinceMs ?? nowMs;
      if (sinceMs >= this.#measuredFromMs) this.#count(this.#paced ? workTokens : FIRST_COUNTS * workTokens, nowMs);
      this.#paced = true;
    }
    this.#openSinceMs = waiting ? nowMs : undefined;
  }

  /** The last that waited has left without being placed. */
  end(): void {
    this.#openSinceMs = undefined;
  }

  /** Weighted tokens per millisecond. A queue from which nothing leaves is seen to be slow before anything does. */
  tokensPerMs(nowMs: number): number {
    const keep = this.#keepOver(nowMs);
    const { workTokens, busyMs } = this.state;
    return (workTokens * keep) / (busyMs * keep + this.#memoryMs * (1 - keep));
  }

  /** What a checkpoint keeps: the next start's prior. */
  get state(): DrainState {
    const priorTokens = this.#priorTokensPerMs * this.#priorMs;
    return { workTokens: this.#workTokens + priorTokens, busyMs: this.#busyMs + this.#priorMs };
  }

  #count(workTokens: number, nowMs: number): void {
    const keep = this.#keepOver(nowMs);
    this.#workTokens = this.#workTokens * keep + workTokens;
    this.#busyMs = this.#busyMs * keep + this.#memoryMs * (1 - keep);
    this.#priorMs *= keep;
  }

  #keepOver(nowMs: number): number {
    const openMs = Math.max(0, nowMs - (this.#openSinceMs ?? nowMs));
    // A long outage must not become a pace of 0: waits would have no number.
    return Math.exp(-Math.min(MOST_FORGOTTEN, openMs / this.#memoryMs));
  }
}

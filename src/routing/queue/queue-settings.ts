import type { DrainState } from "./drain-rate.ts";
import type { WorkCost } from "./stretch-order.ts";

/** How one model's queue is bounded and ordered. */
export type QueueSettings = {
  /** Requests waiting at most. */
  readonly mostWaiting: number;
  /** Prompt tokens waiting at most: what the queue holds of a prompt grows with its length. */
  readonly mostPromptTokens: number;
  /**
   * One key at one priority may have this many times the room that is free: alone it fills 4/5 of the queue at 4, and a
   * key that comes later always finds some left (dynamic thresholds, Choudhury and Hahne 1998).
   */
  readonly shareOfFree: number;
  /** Keys remembered without anybody waiting. */
  readonly mostIdleKeys: number;
  /** Fairness counts a prompt token as this much, */
  readonly promptWeight: number;
  /** and a token of the answer as this much. */
  readonly outputWeight: number;
  /** A key with twice the weight is served twice as much when all want more. */
  readonly weightOf: (key: string) => number;
  /** How long work holds a request back behind smaller ones, per millisecond of its own work. */
  readonly stretch: number;
  /** What work costs at this moment: asked for each request that comes. */
  readonly workCost: () => WorkCost;
  /** Who has waited this long gets part of the turns, whatever its priority; */
  readonly agedAfterMs: number;
  /** this share of the work, as long as there are such. */
  readonly agedShare: number;
  /** Who has no more than this share of its patience left goes before the others (see priority-band.ts). */
  readonly lastCallShare: number;
  /** Requests of one priority tried in one search for a place. */
  readonly mostTried: number;
  /** Time in which the measured pace forgets. */
  readonly drainMemoryMs: number;
  readonly drainPrior: DrainState;
  /** The pace is measured from then on: before, requests may wait for the router to know of free pods. */
  readonly drainMeasuredFromMs: number;
  /** A wait is taken to be this many times its forecast: smaller requests that come later go first. */
  readonly waitMargin: number;
  /** Later than this nobody is told to come back; there is no room held for those that would have to. */
  readonly mostRetryAfterMs: number;
  /** Refused requests that room will be held for, at most. */
  readonly mostPromises: number;
  /** Room is held for a retry from this long before its time, so that it has become free by then, */
  readonly heldAheadMs: number;
  /** and until this long after. `Retry-After` has whole seconds, and there is the way to the client and back. */
  readonly heldAfterMs: number;
  /** Share of the pace that may be promised to retries. */
  readonly promisedShare: number;
};

/** The defaults, for pods of which the cost of work is known. Weights are those of AIBrix's `vtc-basic`. */
export function queueSettings(changes: Partial<QueueSettings> & Pick<QueueSettings, "workCost">): QueueSettings {
  return {
    mostWaiting: 1_024,
    mostPromptTokens: 32_000_000,
    shareOfFree: 4,
    mostIdleKeys: 4_096,
    promptWeight: 1,
    outputWeight: 2,
    weightOf: () => 1,
    stretch: 20,
    agedAfterMs: 10_000,
    agedShare: 0.25,
    lastCallShare: 0.05,
    mostTried: 48,
    drainMemoryMs: 60_000,
    // Half of what one reference pod prefills, believed for five seconds.
    drainPrior: { workTokens: 20 * 5_000, busyMs: 5_000 },
    drainMeasuredFromMs: Number.NEGATIVE_INFINITY,
    waitMargin: 1.25,
    mostRetryAfterMs: 300_000,
    mostPromises: 8_192,
    heldAheadMs: 1_000,
    heldAfterMs: 3_000,
    promisedShare: 0.9,
    ...changes,
  };
}

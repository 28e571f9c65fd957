import { OrderedHeap } from "./ordered-heap.ts";
import { RetryCalendar } from "./retry-calendar.ts";

/** Who is promised room, and for how much work. */
export type PromisedRequest = {
  /** The same for a request and its retry. */
  readonly fingerprint: string;
  readonly priority: number;
  readonly key: string;
  readonly workTokens: number;
};

/** Room of one key at one priority. */
export type HeldRoom = { readonly requests: number; readonly workTokens: number };

export type PromiseLimits = {
  readonly heldAheadMs: number;
  readonly heldAfterMs: number;
  readonly mostPromises: number;
};

type RetryPromise = PromisedRequest & { readonly dueAtMs: number };

const NOTHING: HeldRoom = { requests: 0, workTokens: 0 };

/**
 * Times that refused clients were told to come back at. They are given out no faster than work leaves, and around its
 * time each holds room against those that come for the first time: otherwise an overloaded queue is as full at the
 * retry as it was before, and whoever is told to wait waits for nothing.
 */
export class RetryPromises {
  readonly #limits: PromiseLimits;
  readonly #calendar = new RetryCalendar();
  readonly #byFingerprint = new Map<string, RetryPromise>();
  readonly #ahead = new OrderedHeap<RetryPromise>(byTime);
  /** Those whose room is held now. */
  readonly #due = new OrderedHeap<RetryPromise>(byTime);
  readonly #heldByFlow = new Map<string, HeldRoom>();
  readonly #promisedByFlow = new Map<string, HeldRoom>();

  constructor(limits: PromiseLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#byFingerprint.size;
  }

  /** Requests whose room is held now. */
  get held(): number {
    return this.#due.size;
  }

  /** Room held now for one key at one priority. */
  heldFor(priority: number, key: string): HeldRoom {
    return this.#heldByFlow.get(flowName(priority, key)) ?? NOTHING;
  }

  /** All that is promised to one key at one priority, held now or later. */
  promisedTo(priority: number, key: string): HeldRoom {
    return this.#promisedByFlow.get(flowName(priority, key)) ?? NOTHING;
  }

  /** Begins and ends what is held. To be called before anything is asked at `nowMs`. */
  advance(nowMs: number): void {
    const { heldAheadMs, heldAfterMs } = this.#limits;
    this.#calendar.advance(nowMs);
    for (let next = this.#ahead.first; next && next.dueAtMs - heldAheadMs <= nowMs; next = this.#ahead.first) {
      this.#ahead.remove(next);
      this.#due.add(next);
      count(this.#heldByFlow, next, 1);
    }
    for (let next = this.#due.first; next && next.dueAtMs + heldAfterMs < nowMs; next = this.#due.first) {
      this.keep(next.fingerprint);
    }
  }

  /** Whether room is held now for this very request. */
  isDue(fingerprint: string): boolean {
    const promise = this.#byFingerprint.get(fingerprint);
    return promise !== undefined && this.#due.has(promise);
  }

  /** When the request was told to come back, if it was. */
  dueAtMs(fingerprint: string): number | undefined {
    return this.#byFingerprint.get(fingerprint)?.dueAtMs;
  }

  /** The request was taken in, or is not waited for any more: nothing is held for it. */
  keep(fingerprint: string): void {
    const promise = this.#byFingerprint.get(fingerprint);
    if (promise === undefined) return;
    this.#byFingerprint.delete(fingerprint);
    count(this.#promisedByFlow, promise, -1);
    if (!this.#ahead.remove(promise) && this.#due.remove(promise)) count(this.#heldByFlow, promise, -1);
  }

  /** The first time from `earliestMs` on that is not given to others. */
  freeFrom(earliestMs: number): number {
    return this.#calendar.freeFrom(earliestMs);
  }

  /** Gives a time out, and `spanMs` of the pace with it. Nothing is held if too many are given out already. */
  promise(request: PromisedRequest, dueAtMs: number, spanMs: number): void {
    this.keep(request.fingerprint);
    if (this.size >= this.#limits.mostPromises) return;
    const promise = { ...request, dueAtMs };
    this.#byFingerprint.set(request.fingerprint, promise);
    this.#ahead.add(promise);
    count(this.#promisedByFlow, promise, 1);
    this.#calendar.book(dueAtMs, spanMs);
  }
}

function count(byFlow: Map<string, HeldRoom>, { priority, key, workTokens }: RetryPromise, sign: 1 | -1): void {
  const name = flowName(priority, key);
  const room = byFlow.get(name) ?? NOTHING;
  const requests = room.requests + sign;
  if (requests === 0) byFlow.delete(name);
  else byFlow.set(name, { requests, workTokens: room.workTokens + sign * workTokens });
}

function flowName(priority: number, key: string): string {
  return `${priority} ${key}`;
}

function byTime(a: RetryPromise, b: RetryPromise): number {
  return a.dueAtMs - b.dueAtMs;
}

import { SlidingCount } from "./sliding-count.ts";

export type RetryBudgetLimits = {
  /** Retries allowed per request of the window. */
  readonly retryShare: number;
  /** Retries allowed per second whatever the traffic, so that a quiet model can retry at all. */
  readonly leastPerSecond: number;
  readonly windowMs: number;
};

/**
 * The defaults of Finagle's RetryBudget. Ten a second let all that wait on a pod move at once when it dies; a pod that
 * goes on failing is ejected long before they are spent.
 */
export const DEFAULT_RETRY_BUDGET: RetryBudgetLimits = { retryShare: 0.2, leastPerSecond: 10, windowMs: 10_000 };

/**
 * How many retries a model may make, as a share of its requests, so that a broken fleet sees little more load than a
 * whole one (Finagle's RetryBudget; Envoy's `retry_budget` bounds the share of those in flight likewise).
 */
export class RetryBudget {
  readonly #limits: RetryBudgetLimits;
  readonly #requests: SlidingCount;
  readonly #retries: SlidingCount;
  #refused = 0;

  constructor(limits: RetryBudgetLimits = DEFAULT_RETRY_BUDGET) {
    this.#limits = limits;
    this.#requests = new SlidingCount(limits.windowMs);
    this.#retries = new SlidingCount(limits.windowMs);
  }

  /** A request came: the first attempt, not a retry. */
  request(nowMs: number): void {
    this.#requests.add(nowMs);
  }

  /** Takes one retry out of the budget. False: there is none left, and the failure is to be passed on. */
  tryRetry(nowMs: number): boolean {
    if (this.remaining(nowMs) < 1) {
      this.#refused++;
      return false;
    }
    this.#retries.add(nowMs);
    return true;
  }

  /** Retries that would be allowed now. Never below 0. */
  remaining(nowMs: number): number {
    const { retryShare, leastPerSecond, windowMs } = this.#limits;
    const allowed = retryShare * this.#requests.total(nowMs) + (leastPerSecond * windowMs) / 1_000;
    return Math.max(0, Math.floor(allowed) - this.#retries.total(nowMs));
  }

  /** Retries refused since the start. */
  get refused(): number {
    return this.#refused;
  }
}

import type { Lease } from "../lease-ledger.ts";
import type { LeaseOutcome } from "../placement.ts";
import type { Pod } from "../pod.ts";
import type { HealthRules } from "../routing-rules.ts";
import { OutlierEjection, type PodHealthView } from "./outlier-ejection.ts";
import type { SavedEjection } from "./pod-health.ts";
import type { PodOutcome } from "./pod-outcome.ts";
import { DEFAULT_RETRY_BUDGET, RetryBudget } from "./retry-budget.ts";

/** Which of a model's pods are fit for requests, by what became of those sent there, and how many may be tried again. */
export class FleetHealth {
  #ejection: OutlierEjection;
  #budget: RetryBudget;
  #podIds: readonly string[] = [];
  #retriesRefused = 0;

  constructor(rules: HealthRules) {
    this.#ejection = new OutlierEjection(rules);
    this.#budget = budgetBy(rules);
  }

  /** New rules hold from now on. Ejections in force stay as far as the new bound allows; counts begin anew. */
  configure(rules: HealthRules, nowMs: number): void {
    const ejections = this.#ejection.snapshot(nowMs);
    this.#retriesRefused += this.#budget.refused;
    this.#ejection = new OutlierEjection(rules);
    this.#budget = budgetBy(rules);
    this.#ejection.setPods(this.#podIds, nowMs);
    this.#ejection.restore(ejections, nowMs);
  }

  /** The model's pods as they are known now. */
  setPods(pods: readonly Pod[], nowMs: number): void {
    this.#podIds = pods.map(({ id }) => id);
    this.#ejection.setPods(this.#podIds, nowMs);
  }

  restarted(pod: Pod, nowMs: number): void {
    this.#ejection.restarted(pod.id, nowMs);
  }

  /** Those that may be sent a request; all of them where it would be none: a doubtful pod is better than no answer. */
  admitted(pods: readonly Pod[], nowMs: number): readonly Pod[] {
    if (!this.#ejection.anyOut) return pods;
    const admitted = pods.filter(({ id }) => this.#ejection.admits(id, nowMs));
    return admitted.length > 0 ? admitted : pods;
  }

  /** A request came. */
  asked(nowMs: number): void {
    this.#budget.request(nowMs);
  }

  /** Takes a retry out of the budget. False: there is none left. */
  tryRetry(nowMs: number): boolean {
    return this.#budget.tryRetry(nowMs);
  }

  sent({ id, pod }: Lease, nowMs: number): void {
    this.#ejection.sent(pod.id, id, nowMs);
  }

  firstToken({ id, pod }: Lease, nowMs: number): void {
    this.#ejection.firstToken(pod.id, id, nowMs);
  }

  /** A lease was closed or moved. */
  ended(lease: Lease, outcome: PodOutcome, nowMs: number): void {
    this.#ejection.ended({ podId: lease.pod.id, requestId: lease.id, sentAtMs: lease.openedAtMs }, outcome, nowMs);
  }

  /** By pod id. */
  podViews(nowMs: number): ReadonlyMap<string, PodHealthView> {
    return new Map(this.#ejection.inspect(nowMs).map((view) => [view.podId, view]));
  }

  /** Retries that the budget would allow now, and those refused since the start. */
  retryView(nowMs: number): { readonly remaining: number; readonly refused: number } {
    return { remaining: this.#budget.remaining(nowMs), refused: this.#retriesRefused + this.#budget.refused };
  }

  snapshot(nowMs: number): SavedEjection[] {
    return this.#ejection.snapshot(nowMs);
  }

  /** Takes up saved ejections: after `setPods`. */
  restore(saved: readonly SavedEjection[], nowMs: number): void {
    this.#ejection.restore(saved, nowMs);
  }
}

/**
 * What the end of a request says of its pod. A holder that goes away after the first token has left nothing to blame the
 * pod for: answers that need no more telling end like that. One that waited in the queue may end for want of time: an
 * overload must not make pods look broken.
 */
export function podOutcomeOf(
  { kind, podOutcome }: LeaseOutcome,
  firstTokenSeen: boolean,
  hasWaited: boolean,
): PodOutcome {
  const outOfTime = kind === "failed" && !firstTokenSeen && (podOutcome ?? "stalled") === "stalled";
  if (hasWaited && outOfTime) return "client_left";
  if (podOutcome !== undefined) return podOutcome;
  switch (kind) {
    case "completed":
      return "answered";
    case "client_left":
      return firstTokenSeen ? "answered" : "client_left";
    case "failed":
      return firstTokenSeen ? "truncated" : "server_error";
  }
}

function budgetBy({ retryShare, retriesPerSecond }: HealthRules): RetryBudget {
  return new RetryBudget({ ...DEFAULT_RETRY_BUDGET, retryShare, leastPerSecond: retriesPerSecond });
}

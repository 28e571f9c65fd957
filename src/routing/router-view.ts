import type { DecisionLogView } from "./decision-log.ts";
import type { PodHealthView } from "./health/outlier-ejection.ts";
import type { HealthState } from "./health/pod-health.ts";
import type { HeldView } from "./held-requests.ts";
import type { HitTruthView } from "./hit-truth.ts";
import type { LearnedRates } from "./learned-rates.ts";
import type { OutlookLessons } from "./outlook/placement-outlook.ts";
import type { PrefillRates } from "./outlook/prefill-cost.ts";
import type { EngineGauges, Pod, PodFacts } from "./pod.ts";
import type { PodClaimSizes } from "./pod-claims.ts";
import type { RouterState } from "./router-state.ts";

/** The admin API's view. */
export type RouterView = {
  readonly leases: number;
  readonly leasesOpened: number;
  readonly leasesFallen: number;
  readonly confirmedClaims: number;
  /** Claims of events of before a restart or a lost push: guesses until their collectors have vouched for them. */
  readonly doubtedClaims: number;
  readonly speculativeClaims: number;
  /** Confirmed claims that found no room. */
  readonly droppedClaims: number;
  /** How long after a first token its events arrive. */
  readonly eventLagMs: number;
  readonly indexBytes: number;
  readonly truth: HitTruthView;
  readonly rates: LearnedRates;
  /** What `warmpath` has learned: ms a new token and a pair of tokens cost a prefill, and how long answers are. */
  readonly learned: PrefillRates & { readonly answerTokens: number; readonly network: OutlookLessons["network"] };
  /** Requests that wait for a pod, and what became of those that did. */
  readonly queue: HeldView;
  /** Moves to another pod that are allowed now, and those refused since the start. */
  readonly retries: { readonly remaining: number; readonly refused: number };
  /** Recorded decisions. */
  readonly decisions: DecisionLogView;
  readonly pods: readonly PodView[];
};

/** A pod in it. */
type PodView = PodFacts & {
  readonly inFlight: number;
  readonly backlogTokens: number;
  readonly gauges: EngineGauges | undefined;
  readonly requests: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** Learned share of predicted hits that the engine confirms; discounts predictions where the index is not exact. */
  readonly hitYield: number;
  /** In segments. */
  readonly claims: PodClaimSizes;
  readonly health: HealthState;
  /** Times it was left out for failing and that are not forgotten yet. */
  readonly ejections: number;
};

/** Makes the view. `leases` counts those opened and fallen since the start. */
export function routerView(
  { ledger, claims, truth, learner, outlook, held, health, registry, decisions }: RouterState,
  leases: { readonly opened: number; readonly fallen: number },
  nowMs: number,
): RouterView {
  const healthOf = health.podViews(nowMs);
  return {
    leases: ledger.size,
    leasesOpened: leases.opened,
    leasesFallen: leases.fallen,
    ...claims.view,
    truth: truth.view(),
    rates: learner.rates,
    learned: { ...outlook.rates, answerTokens: outlook.answerTokens, network: outlook.lessons.network },
    queue: held.view(nowMs),
    retries: health.retryView(nowMs),
    decisions: decisions.view,
    pods: registry.pods.map((pod) => podView(pod, claims.podSizes(pod), healthOf.get(pod.id))),
  };
}

/** A pod's part of the view. A pod of which no health is known is healthy. */
function podView(pod: Pod, claims: PodClaimSizes, health: PodHealthView | undefined): PodView {
  const { inFlight, backlogTokens, gauges, requests, promptTokens, cachedTokens, hitYield } = pod;
  return {
    ...pod.facts,
    inFlight,
    backlogTokens,
    gauges,
    requests,
    promptTokens,
    cachedTokens,
    hitYield,
    claims,
    health: health?.state ?? { kind: "healthy" },
    ejections: health?.ejections ?? 0,
  };
}

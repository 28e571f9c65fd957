import type { HitTruthView } from "./hit-truth.ts";
import type { LearnedRates } from "./learned-rates.ts";
import type { EngineGauges, PodFacts } from "./pod.ts";
import type { PodClaimSizes } from "./pod-claims.ts";

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
  readonly pods: readonly (PodFacts & {
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
  })[];
};

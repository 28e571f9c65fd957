import { DecisionLog } from "./decision-log.ts";
import { FeedLedger } from "./feeds.ts";
import { FleetHealth } from "./health/fleet-health.ts";
import { HeldRequests } from "./held-requests.ts";
import { HitTruth } from "./hit-truth.ts";
import { RateLearner } from "./learned-rates.ts";
import { LeaseLedger } from "./lease-ledger.ts";
import { PlacementOutlook } from "./outlook/placement-outlook.ts";
import { PodClaims } from "./pod-claims.ts";
import { PodRegistry } from "./pod-registry.ts";
import { PoliciesInUse } from "./policies-in-use.ts";
import { workCostAt } from "./queue/stretch-order.ts";
import type { RouterLimits } from "./router-limits.ts";
import { RULES_OF_OLD_CALLERS } from "./routing-rules.ts";

/** All that is known of one model: what its placements, its reports, its checkpoints and its views share. */
export type RouterState = {
  readonly limits: RouterLimits;
  readonly bornMs: number;
  readonly registry: PodRegistry;
  readonly ledger: LeaseLedger;
  readonly claims: PodClaims;
  readonly feeds: FeedLedger;
  readonly learner: RateLearner;
  readonly truth: HitTruth;
  readonly outlook: PlacementOutlook;
  readonly policies: PoliciesInUse;
  readonly health: FleetHealth;
  readonly held: HeldRequests;
  /** Those that were recorded. */
  readonly decisions: DecisionLog;
};

/** The state of a router that knows nothing yet. `instance` names it. */
export function newRouterState(limits: RouterLimits, nowMs: number, instance: string): RouterState {
  const { mostClaims, mostIndexBytes, claimTtlMs: ttlMs } = limits;
  const { health, queue, decisions } = RULES_OF_OLD_CALLERS;
  const learner = new RateLearner();
  return {
    limits,
    bornMs: nowMs,
    registry: new PodRegistry(),
    ledger: new LeaseLedger(),
    claims: new PodClaims({ mostClaims, mostIndexBytes, ttlMs }, nowMs),
    feeds: new FeedLedger(),
    learner,
    truth: new HitTruth(),
    outlook: new PlacementOutlook(nowMs),
    policies: new PoliciesInUse(),
    health: new FleetHealth(health),
    held: new HeldRequests(queue, () => workCostAt(learner.rates.prefillTokensPerMs), nowMs + limits.adoptionMs),
    decisions: new DecisionLog(decisions, instance, nowMs),
  };
}

/** Leases of before a restart are still being adopted (see load.ts). */
export function isAdopting({ bornMs, limits }: RouterState, nowMs: number): boolean {
  return nowMs - bornMs < limits.adoptionMs;
}

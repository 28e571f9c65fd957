import { DEFAULT_OUTLIER_LIMITS, type OutlierLimits } from "./health/outlier-limits.ts";
import { DEFAULT_RETRY_BUDGET } from "./health/retry-budget.ts";

/** When a model's requests wait in the router, and how many. */
export type QueueRules = {
  /** Off: every request is placed at once, however busy the pods are. */
  readonly enabled: boolean;
  /** A pod with so many requests, those of others included, takes no more. */
  readonly mostInFlight: number;
  /** Share of a pod's KV cache that requests in flight may fill. */
  readonly mostKvShare: number;
  /** Prefill work ahead of a new request, in ms. */
  readonly mostBacklogMs: number;
  /** Requests waiting at most. */
  readonly mostWaiting: number;
  /** A request waits this long for a first pod to come up; 0: it is refused at once. */
  readonly holdWithoutPodsMs: number;
};

/** When a failing pod is left out, and how many requests may be tried again. */
export type HealthRules = OutlierLimits & {
  /** Retries for each request of the last ten seconds, */
  readonly retryShare: number;
  /** and so many a second whatever the traffic. */
  readonly retriesPerSecond: number;
};

/** Which decisions are recorded, and how many are kept. */
export type DecisionRules = {
  /** Share of all decisions, 0 to 1; 0: none. */
  readonly share: number;
  /** The latest so many, */
  readonly keep: number;
  /** as far as they fit into this. */
  readonly mostBytes: number;
  /** Whether the hashes of the prompt's segments are recorded with it. */
  readonly hashes: boolean;
};

/** What an operator sets of one model's routing. Plain values. */
export type RoutingRules = {
  readonly queue: QueueRules;
  readonly health: HealthRules;
  readonly decisions: DecisionRules;
};

/** The same with what is left to the defaults left out. */
export type GivenRules = {
  readonly queue?: Partial<QueueRules>;
  readonly health?: Partial<HealthRules>;
  readonly decisions?: Partial<DecisionRules>;
};

/**
 * Limits that an unsaturated fleet does not meet: 256 requests are vLLM's own `max_num_seqs`; memory and backlog are
 * those of saturation.ts.
 */
const QUEUE_RULES: QueueRules = {
  enabled: true,
  mostInFlight: 256,
  mostKvShare: 1,
  mostBacklogMs: 250,
  mostWaiting: 1_024,
  holdWithoutPodsMs: 30_000,
};

const HEALTH_RULES: HealthRules = {
  ...DEFAULT_OUTLIER_LIMITS,
  retryShare: DEFAULT_RETRY_BUDGET.retryShare,
  retriesPerSecond: DEFAULT_RETRY_BUDGET.leastPerSecond,
};

const DECISION_RULES: DecisionRules = { share: 0, keep: 1_000, mostBytes: 8_388_608, hashes: false };

/** Rules with the defaults filled in. */
export function routingRules(given: GivenRules): RoutingRules {
  return {
    queue: { ...QUEUE_RULES, ...given.queue },
    health: { ...HEALTH_RULES, ...given.health },
    decisions: { ...DECISION_RULES, ...given.decisions },
  };
}

/** The rules of a caller that says nothing of them: it would not know what to do with a request that waits. */
export const RULES_OF_OLD_CALLERS: RoutingRules = routingRules({ queue: { enabled: false } });

import type { Candidate } from "./policy.ts";

/** When a pod has enough. An absent limit does not bind. */
export type SaturationLimits = {
  /** Requests on the pod, those of others included. */
  readonly mostInFlight?: number | undefined;
  /** Share of the KV cache that requests in flight may fill. */
  readonly mostKvShare?: number | undefined;
  /** Prefill work ahead of a new request. Must exceed the round trip to the pod and one step of its engine. */
  readonly mostBacklogMs?: number | undefined;
};

/**
 * Defaults of the policy lab's queue Q: a pod is open with less than 250 ms of backlog and room for the whole request.
 * At 600 ms less is left to reorder in the router, and its overload TTFT rises from 9.2 to 11.7 s.
 */
export const DEFAULT_SATURATION: SaturationLimits = { mostKvShare: 1, mostBacklogMs: 250 };

/** What counts of a pod: a candidate's facts, and its backlog in time as the placing policy reckons it. */
export type PodLoad = Pick<Candidate, "inFlight" | "foreign" | "promptTokensInFlight" | "capacityTokens"> & {
  readonly backlogMs: number;
  /** KV tokens in use as far as the engine tells, where it does: prompts that share a prefix hold it once. */
  readonly reportedKvTokens?: number | undefined;
};

/** Whether a pod may take one more request, or the first limit that forbids it. */
export type Saturation = { readonly free: true } | { readonly free: false; readonly why: SaturationCause };

export type SaturationCause = "in_flight" | "kv_memory" | "backlog";

const FREE: Saturation = { free: true };

/**
 * Judges one pod for one request. A pod without requests takes anything, however large: it will not get emptier. A pod
 * of unknown capacity has no limit of memory.
 */
export function saturation(
  pod: PodLoad,
  request: { readonly promptTokens: number; readonly outputTokens: number },
  limits: SaturationLimits,
): Saturation {
  const { mostInFlight, mostBacklogMs } = limits;
  const requests = pod.inFlight + pod.foreign;
  if (requests === 0) return FREE;
  if (mostInFlight !== undefined && requests >= mostInFlight) return { free: false, why: "in_flight" };
  if (lackingTokens(pod, request, limits) > 0) return { free: false, why: "kv_memory" };
  if (mostBacklogMs !== undefined && pod.backlogMs >= mostBacklogMs) return { free: false, why: "backlog" };
  return FREE;
}

/** Tokens of KV memory that have to become free before the request fits; 0 where memory does not bind. */
export function lackingTokens(
  { promptTokensInFlight, reportedKvTokens = Number.POSITIVE_INFINITY, capacityTokens }: PodLoad,
  request: { readonly promptTokens: number; readonly outputTokens: number },
  { mostKvShare }: SaturationLimits,
): number {
  if (mostKvShare === undefined || capacityTokens === undefined) return 0;
  const heldTokens = Math.min(promptTokensInFlight, reportedKvTokens);
  return Math.max(0, heldTokens + request.promptTokens + request.outputTokens - mostKvShare * capacityTokens);
}

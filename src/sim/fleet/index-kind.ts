import { DEFAULT_LIMITS, type RouterLimits } from "../../routing/router-limits.ts";

/**
 * How the router under test knows what pods have in their caches. `events`: by every change that they announce. `sent`: by
 * what it sent where, as far as caches of that size keep it, and by the cached tokens of answers. `all-sent`: by what it
 * sent where, of which it forgets nothing, as a router does with a tree of its own (vllm-router: 2^26 characters for each
 * pod).
 */
export type IndexKind = "events" | "sent" | "all-sent";

export const INDEX_KINDS: readonly IndexKind[] = ["events", "sent", "all-sent"];

const ENDLESS = Number.POSITIVE_INFINITY;

/** The router's limits with such an index. Leases of a simulation have no holders that could go silent. */
export function simulationLimits(index: IndexKind): RouterLimits {
  const limits = { ...DEFAULT_LIMITS, leaseTtlMs: ENDLESS };
  if (index !== "all-sent") return limits;
  return { ...limits, mostClaims: ENDLESS, mostIndexBytes: ENDLESS, claimTtlMs: ENDLESS, cacheShare: ENDLESS };
}

import { DEFAULT_LIMITS, type RouterLimits } from "../../routing/router-limits.ts";

/**
 * What the router under test learns of the pods' caches. `events`: every change of them. `sent`: nothing, so it goes by
 * what it sent where, as far as caches of that size keep it, and by the cached tokens of answers. `all-sent`: it goes by
 * what it sent where and forgets none of it, as a router does with a tree of its own (vllm-router: 2^26 characters for
 * each pod).
 */
export type CacheKnowledge = "events" | "sent" | "all-sent";

export const CACHE_KNOWLEDGE: readonly CacheKnowledge[] = ["events", "sent", "all-sent"];

const ENDLESS = Number.POSITIVE_INFINITY;

/** The router's limits under that knowledge. Leases of a simulation have no holders that could go silent. */
export function simulationLimits(knowledge: CacheKnowledge): RouterLimits {
  const limits = { ...DEFAULT_LIMITS, leaseTtlMs: ENDLESS };
  if (knowledge !== "all-sent") return limits;
  return { ...limits, mostClaims: ENDLESS, mostIndexBytes: ENDLESS, claimTtlMs: ENDLESS, cacheShare: ENDLESS };
}

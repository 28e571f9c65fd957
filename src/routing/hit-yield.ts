/** Weight of the newest answer. */
const WEIGHT = 0.05;
/** A pod that disappoints all the time is still tried now and then, and can show that it does better. */
const LEAST = 0.1;
/** Short hits say more about block borders than about the cache. */
const LEAST_TOKENS = 256;

/**
 * How much of what a pod was believed to hold its engine really took from the cache, 0 to 1, learned from answers that
 * report it. Predictions for pods whose index is not exact are discounted by it: their caches are smaller than they say,
 * other requests push things out unseen, or a hit needs more than claims tell (hybrid models).
 *
 * `hitTokens` was predicted with `before` taken into account.
 */
export function learnedHitYield(before: number, hitTokens: number, reportedTokens: number): number {
  if (hitTokens < LEAST_TOKENS) return before;
  const observed = Math.min(1, (before * reportedTokens) / hitTokens);
  return Math.max(LEAST, before + WEIGHT * (observed - before));
}

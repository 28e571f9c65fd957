import { type Candidate, type PolicyRequest, pickHighest } from "../policy.ts";
import { definePolicy } from "./definition.ts";

/**
 * llm-d's default of August 2026, "sticky until saturated": prefix-cache-affinity-filter, then token-load-scorer.
 *
 * 1. Pods that have at least `hitShare` of the prompt are kept, if there are any.
 * 2. Unless the best of them would take `mostPenaltyMs` longer to its first token than the best of the others: then all
 *    stay. 0 never lets go. The time is the uncached tokens in flight over `prefillTokensPerS`; 15,928 is theirs, of
 *    Qwen-32B on two H100; 0 takes the rate this router has learned of its pods. With `lookahead` the prompt's own
 *    uncached tokens count too.
 * 3. The pod with the fewest uncached tokens in flight, up to `fullTokens`.
 *
 * With `explorationProbability` a request skips the filter.
 */
export const affinityFilter = definePolicy(
  "affinity-filter",
  {
    hitShare: 0.8,
    mostPenaltyMs: 18_000,
    prefillTokensPerS: 15_928,
    fullTokens: 4_194_304,
    explorationProbability: 0,
    lookahead: false,
  },
  (parameters) => ({
    name: "affinity-filter",
    waitsForChoice: true,
    columns: ["hitShare", "ttftMs", "tokenLoadScore", "kept"],
    decide(request, candidates, { random, rates }) {
      const { hitShare, mostPenaltyMs, fullTokens, explorationProbability, lookahead } = parameters;
      const tokensPerMs = parameters.prefillTokensPerS / 1_000 || rates.prefillTokensPerMs;
      const count = candidates.length;
      const terms = new Float64Array(4 * count);
      let stickyMs = Number.POSITIVE_INFINITY;
      let otherMs = Number.POSITIVE_INFINITY;
      for (let i = 0; i < count; i++) {
        const candidate = candidates[i] as Candidate;
        const share = hitShareOf(candidate, request);
        const own = lookahead ? Math.max(0, request.promptTokens - candidate.matchedTokens) : 0;
        const ttftMs = (candidate.backlogTokens + own) / tokensPerMs;
        terms.set([share, ttftMs, 1 - Math.min(1, (candidate.backlogTokens + own) / Math.max(1, fullTokens))], 4 * i);
        if (share >= hitShare) stickyMs = Math.min(stickyMs, ttftMs);
        else otherMs = Math.min(otherMs, ttftMs);
      }
      const explores = explorationProbability > 0 && random() < explorationProbability;
      const saturated = mostPenaltyMs > 0 && stickyMs - otherMs > mostPenaltyMs;
      const filters = Number.isFinite(stickyMs) && !explores && !saturated;
      const scores = new Float64Array(count);
      for (let i = 0; i < count; i++) {
        const kept = !filters || (terms[4 * i] as number) >= hitShare;
        terms[4 * i + 3] = kept ? 1 : 0;
        scores[i] = kept ? (terms[4 * i + 2] as number) : Number.NEGATIVE_INFINITY;
      }
      return { chosen: pickHighest(scores, random), terms };
    },
  }),
);

function hitShareOf(candidate: Candidate, request: PolicyRequest): number {
  return request.segments === 0 ? 0 : candidate.matchedSegments / request.segments;
}

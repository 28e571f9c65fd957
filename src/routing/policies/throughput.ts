import type { Candidate } from "../policy.ts";
import { scoredPolicy } from "./scored-policy.ts";

/** An output token is made one by one; prompt tokens are charged twice in AIBrix's score. */
const PROMPT_WEIGHT = 2;
const GENERATION_WEIGHT = 1;

/**
 * The pod that has been working through the fewest tokens lately: 2 x prompt + 1 x generated tokens a second (weights of
 * AIBrix `throughput`, gateway plugin 0.7). AIBrix reads averages from Prometheus whose plain value is always 0 there, so
 * that its choice comes out random; this one compares the engines' own token counts over the last minute.
 */
export const throughput = scoredPolicy({
  name: "throughput",
  column: "weightedTokensPerS",
  best: "lowest",
  score(_request, candidates, _context, scores) {
    for (let i = 0; i < scores.length; i++) {
      const { pace } = candidates[i] as Candidate;
      const { promptTokensPerS = Number.NaN, generationTokensPerS = Number.NaN } = pace ?? {};
      scores[i] = PROMPT_WEIGHT * promptTokensPerS + GENERATION_WEIGHT * generationTokensPerS;
    }
  },
});

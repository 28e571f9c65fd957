import type { Candidate } from "../policy.ts";
import { definePolicy } from "./definition.ts";
import { scoredPolicy } from "./scored-policy.ts";

const FULLEST_KV = 0.999;

/**
 * SMG's `least_load`: seconds of work that wait, plus a barrier that rises as the KV cache fills,
 *
 *     queued tokens / tokens per second + kvWeight x k / (1 - k)
 *
 * Queued are the uncached prompt tokens this router sent that have not seen a first token, and `unknownTokens` for each
 * request of others that waits in the engine. The rate is the engine's generation rate, `assumedTokensPerS` where it is
 * idle or does not tell. A pod without gauges among pods that have them counts `unknownTokens` a request at the mean rate;
 * where no pod has any, requests are compared. SMG takes the first of equal pods, this one any of them.
 */
export const leastLoad = definePolicy(
  "least-load",
  { kvWeight: 0.15, assumedTokensPerS: 2_000, unknownTokens: 1_024 },
  ({ kvWeight, assumedTokensPerS, unknownTokens }) => {
    const rateOf = ({ gauges, pace }: Candidate) =>
      gauges?.generationTokensPerS || pace?.generationTokensPerS || assumedTokensPerS;
    return scoredPolicy({
      name: "least-load",
      column: "loadS",
      best: "lowest",
      score(_request, candidates, _context, scores) {
        const reporting = candidates.filter(({ gauges }) => gauges?.kvUsage !== undefined);
        const meanRate = reporting.reduce((sum, candidate) => sum + rateOf(candidate), 0) / reporting.length;
        for (let i = 0; i < scores.length; i++) {
          const candidate = candidates[i] as Candidate;
          const { gauges, inFlight, backlogTokens } = candidate;
          if (reporting.length === 0) scores[i] = inFlight;
          else if (gauges?.kvUsage === undefined) scores[i] = (inFlight * unknownTokens) / meanRate;
          else {
            const usage = Math.min(FULLEST_KV, gauges.kvUsage);
            const others = Math.min(candidate.foreign, gauges.waiting ?? 0);
            const queued = backlogTokens + others * unknownTokens;
            scores[i] = queued / rateOf(candidate) + (kvWeight * usage) / (1 - usage);
          }
        }
      },
    });
  },
);

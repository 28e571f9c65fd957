import type { Candidate } from "../policy.ts";
import { scoredPolicy } from "./scored-policy.ts";

/**
 * The pod whose KV cache is emptiest (AIBrix `least-kv-cache`, gateway plugin 0.7). AIBrix adds a CPU-cache gauge that
 * current engines no longer have, and chooses at random without it; here the KV gauge is enough.
 */
export const leastKvCache = scoredPolicy({
  name: "least-kv-cache",
  column: "kvUsage",
  best: "lowest",
  score(_request, candidates, _context, scores) {
    for (let i = 0; i < scores.length; i++) {
      scores[i] = (candidates[i] as Candidate).gauges?.kvUsage ?? Number.NaN;
    }
  },
});

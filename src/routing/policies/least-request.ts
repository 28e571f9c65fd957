import { type Candidate, requestsOn } from "../policy.ts";
import { scoredPolicy } from "./scored-policy.ts";

/**
 * The pod with the fewest requests in flight, ties at random (AIBrix `least-request`, gateway plugin 0.7). Beside its
 * own leases it counts what the engine reports of others, which AIBrix does not.
 */
export const leastRequest = scoredPolicy({
  name: "least-request",
  column: "requests",
  best: "lowest",
  score(_request, candidates, _context, scores) {
    for (let i = 0; i < scores.length; i++) scores[i] = requestsOn(candidates[i] as Candidate);
  },
});

import type { Candidate } from "../policy.ts";
import { scoredPolicy } from "./scored-policy.ts";

/**
 * The pod that has been busy for the smallest share of the last minute (what AIBrix `least-busy-time` promises; nothing
 * produces the gauge it reads, so that it chooses at random there). Busy is a pod with a lease open.
 */
export const leastBusyTime = scoredPolicy({
  name: "least-busy-time",
  column: "busyShare",
  best: "lowest",
  score(_request, candidates, _context, scores) {
    for (let i = 0; i < scores.length; i++) scores[i] = (candidates[i] as Candidate).busyShare;
  },
});

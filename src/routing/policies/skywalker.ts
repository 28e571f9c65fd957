import { type Candidate, type PolicyRequest, pickLowest, requestsOn } from "../policy.ts";
import { definePolicy } from "./definition.ts";

/**
 * SkyWalker's selective pushing (Xia et al., EuroSys 2026, and the SkyPilot fork that carries it): a pod is available only
 * while no request waits in its engine, because what is pushed into a full batch cannot be decided anew. Among the
 * available pods the longest match wins if it is more than `matchShare` of the prompt, else the fewest requests.
 *
 * A pod whose engine reports no queue is available while every request of this router there has its first token. Where no
 * pod is available the paper holds the request in the router; a policy cannot hold, so it takes the pod with the fewest
 * requests: put the router's queue in front of it. `imbalance` (32 there, 0 is off) gives up the match when the spread of
 * requests is above it. Regions are the router's to choose, not a policy's.
 */
export const skywalker = definePolicy("skywalker", { matchShare: 0.5, imbalance: 0 }, ({ matchShare, imbalance }) => ({
  name: "skywalker",
  waitsForChoice: true,
  columns: ["available", "matchedShare", "requests"],
  decide(request, candidates, { random }) {
    const count = candidates.length;
    const terms = new Float64Array(3 * count);
    const available = candidates.map(isAvailable);
    const anyAvailable = available.includes(true);
    let longest = 0;
    let least = Number.POSITIVE_INFINITY;
    let most = 0;
    for (let i = 0; i < count; i++) {
      const candidate = candidates[i] as Candidate;
      const share = matchedShare(candidate, request);
      const requests = requestsOn(candidate);
      terms.set([available[i] ? 1 : 0, share, requests], 3 * i);
      if (!available[i]) continue;
      longest = Math.max(longest, share);
      least = Math.min(least, requests);
      most = Math.max(most, requests);
    }
    const imbalanced = imbalance > 0 && most - least > imbalance && most > 1.0001 * least;
    const follows = longest > matchShare && !imbalanced;
    const ranks = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
    for (let i = 0; i < count; i++) {
      if (anyAvailable && !available[i]) continue;
      if (!follows || terms[3 * i + 1] === longest) ranks[i] = terms[3 * i + 2] as number;
    }
    return { chosen: pickLowest(ranks, random), terms };
  },
}));

function isAvailable({ gauges, awaitingFirstToken }: Candidate): boolean {
  return gauges?.waiting === undefined ? awaitingFirstToken === 0 : gauges.waiting === 0;
}

function matchedShare(candidate: Candidate, request: PolicyRequest): number {
  return request.segments === 0 ? 0 : candidate.matchedSegments / request.segments;
}

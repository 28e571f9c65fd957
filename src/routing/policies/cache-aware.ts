import type { Candidate, PolicyRequest } from "../policy.ts";
import { definePolicy } from "./definition.ts";

/**
 * `cache_aware` of vllm-router 0.1, sglang-router 0.3 and SMG, with the defaults of their command lines:
 *
 * 1. The fleet is imbalanced if max - min > `balanceAbs` and max > `balanceRel` x min of the in-flight counts, or if its
 *    hottest KV cache is above `kvOverload` or `kvSpread` above the coldest (SMG; 1 is off). Then the least loaded pod.
 * 2. Otherwise the pod with the longest match, if that is more than `cacheThreshold` of the prompt.
 * 3. Otherwise the least loaded pod. Least loaded is by (in flight, requests so far, order), as in SMG from #1714.
 *
 * `spill: "candidate"` is SMG from 1.10: no count of the fleet is looked at, but the matched pod is left for the least
 * loaded one if its own count is above mean + `balanceAbs` and above `balanceRel` x mean.
 *
 * Two traps of theirs are not copied. Their tree names one holder of a prefix, any of them; here the least loaded of the
 * holders is taken. And where the holder is gone some of them take the first pod there is, others the smallest tree; here
 * it is the least loaded pod. Matches are measured in segments, not characters.
 */
export const cacheAware = definePolicy(
  "cache-aware",
  { cacheThreshold: 0.3, balanceAbs: 64, balanceRel: 1.5, kvOverload: 1, kvSpread: 1, spill: "fleet" },
  (parameters) => ({
    name: "cache-aware",
    waitsForChoice: true,
    columns: ["matchedShare", "inFlight", "imbalanced"],
    decide(request, candidates) {
      const loads = loadsOf(candidates);
      const leastLoaded = bestOf(candidates, () => 0);
      const holder = bestOf(candidates, (candidate) => candidate.matchedSegments);
      const { cacheThreshold, balanceAbs, balanceRel } = parameters;
      const warm = matchedShare(candidates[holder] as Candidate, request) > cacheThreshold;
      const holderLoad = (candidates[holder] as Candidate).inFlight;
      const imbalanced =
        parameters.spill === "candidate"
          ? holderLoad > loads.mean + balanceAbs && holderLoad > loads.mean * balanceRel
          : isImbalanced(loads, balanceAbs, balanceRel) ||
            isHot(candidates, parameters.kvOverload, parameters.kvSpread);
      const terms = new Float64Array(3 * candidates.length);
      for (let i = 0; i < candidates.length; i++) {
        const candidate = candidates[i] as Candidate;
        terms.set([matchedShare(candidate, request), candidate.inFlight, imbalanced ? 1 : 0], 3 * i);
      }
      return { chosen: warm && !imbalanced ? holder : leastLoaded, terms };
    },
  }),
);

type Loads = { readonly least: number; readonly most: number; readonly mean: number };

function loadsOf(candidates: readonly Candidate[]): Loads {
  let least = Number.POSITIVE_INFINITY;
  let most = 0;
  let sum = 0;
  for (const { inFlight } of candidates) {
    least = Math.min(least, inFlight);
    most = Math.max(most, inFlight);
    sum += inFlight;
  }
  return { least, most, mean: sum / candidates.length };
}

/** Both conditions, and neither in case of equality. */
function isImbalanced({ least, most }: Loads, abs: number, rel: number): boolean {
  return most - least > abs && most > least * rel;
}

/** Pods whose engines do not report their KV use are left out of it. */
function isHot(candidates: readonly Candidate[], overload: number, spread: number): boolean {
  let least = 1;
  let most = 0;
  for (const { gauges } of candidates) {
    if (gauges?.kvUsage === undefined) continue;
    least = Math.min(least, gauges.kvUsage);
    most = Math.max(most, gauges.kvUsage);
  }
  return most > overload || most - least > spread;
}

function matchedShare(candidate: Candidate, request: PolicyRequest): number {
  return request.segments === 0 ? 0 : candidate.matchedSegments / request.segments;
}

/** The candidate of the highest rank; of equals the one with the least in flight, then the fewest requests so far. */
function bestOf(candidates: readonly Candidate[], rank: (candidate: Candidate) => number): number {
  let best = 0;
  for (let i = 1; i < candidates.length; i++) {
    const challenger = candidates[i] as Candidate;
    const holder = candidates[best] as Candidate;
    const order =
      rank(challenger) - rank(holder) || holder.inFlight - challenger.inFlight || holder.requests - challenger.requests;
    if (order > 0) best = i;
  }
  return best;
}

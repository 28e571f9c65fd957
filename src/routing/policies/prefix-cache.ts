import { type Candidate, pickLowest, type Scorer } from "../policy.ts";
import { definePolicy } from "./definition.ts";

/** In a blend AIBrix scores the matched percent alone: no gate, no deviation. */
const scorer: Scorer = {
  best: "highest",
  score(request, candidates, _context, scores) {
    for (let i = 0; i < scores.length; i++) {
      scores[i] = matchedPercent((candidates[i] as Candidate).matchedSegments, request.segments);
    }
  },
};

/**
 * AIBrix's `prefix-cache` (gateway plugin v0.4 to 0.7, pkg/plugins/gateway/algorithms/prefix_cache.go) with its defaults
 * (`imbalance` is AIBRIX_PREFIX_CACHE_POD_RUNNING_REQUEST_IMBALANCE_ABS_COUNT, `deviations`
 * AIBRIX_PREFIX_CACHE_STANDARD_DEVIATION_FACTOR; its release manifest sets 16 and 2):
 *
 * 1. If the spread of in-flight counts is above `imbalance`, only the pods at the minimum are candidates for a match.
 * 2. Matched pods in order of matched percent, then of in-flight count, ties at random.
 * 3. The first of them at or below mean + `deviations` standard deviations (of the sample, over all pods) is taken.
 * 4. None matched or all rejected: the pod with the fewest in flight.
 *
 * Only counts of the router itself are compared, as there.
 */
export const prefixCache = definePolicy(
  "prefix-cache",
  { imbalance: 8, deviations: 1 },
  ({ imbalance, deviations }) => ({
    name: "prefix-cache",
    waitsForChoice: true,
    columns: ["matchedPercent", "requests", "limit"],
    scorer,
    decide(request, candidates, { random }) {
      const count = candidates.length;
      const requests = new Float64Array(count);
      let least = Number.POSITIVE_INFINITY;
      let most = 0;
      let sum = 0;
      for (let i = 0; i < count; i++) {
        const inFlight = (candidates[i] as Candidate).inFlight;
        requests[i] = inFlight;
        least = Math.min(least, inFlight);
        most = Math.max(most, inFlight);
        sum += inFlight;
      }
      const gated = most - least > imbalance;
      const limit = sum / count + deviations * sampleDeviation(requests, sum / count);

      const terms = new Float64Array(count * 3);
      // Ranked by percent first, then by count: a percent outweighs any count.
      const rank = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
      let eligible = 0;
      for (let i = 0; i < count; i++) {
        const inFlight = requests[i] as number;
        const matched = gated && inFlight > least ? 0 : (candidates[i] as Candidate).matchedSegments;
        const percent = matchedPercent(matched, request.segments);
        terms.set([percent, inFlight, limit], i * 3);
        if (matched === 0 || inFlight > limit) continue;
        rank[i] = -percent * (most + 1) + inFlight;
        eligible++;
      }
      return { chosen: pickLowest(eligible > 0 ? rank : requests, random), terms };
    },
  }),
);

function matchedPercent(matched: number, segments: number): number {
  return segments === 0 ? 0 : Math.floor((matched * 100) / segments);
}

/** Standard deviation of a sample (n - 1); 0 for one value. */
function sampleDeviation(values: Float64Array, mean: number): number {
  if (values.length < 2) return 0;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return Math.sqrt(squares / (values.length - 1));
}

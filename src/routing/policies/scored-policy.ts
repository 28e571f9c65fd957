import { type Candidate, type Policy, pickHighest, pickLowest, requestsOn, type Scorer } from "../policy.ts";

/** A policy that is nothing but a score of each pod. `column` names the score, with its unit. */
export function scoredPolicy(
  parts: Pick<Policy, "name" | "placed" | "settled"> & { readonly column: string } & Scorer,
): Policy {
  const { name, column, best, score, placed, settled } = parts;
  return {
    name,
    columns: [column, "known"],
    scorer: { best, score },
    placed,
    settled,
    decide(request, candidates, context) {
      const scores = new Float64Array(candidates.length);
      score(request, candidates, context, scores);
      const terms = new Float64Array(2 * candidates.length);
      for (let i = 0; i < scores.length; i++) {
        const known = Number.isFinite(scores[i]);
        terms[2 * i] = known ? (scores[i] as number) : 0;
        terms[2 * i + 1] = known ? 1 : 0;
      }
      const chosen = pickScored(scores, best, candidates, context.random);
      return { chosen, terms };
    },
  };
}

/**
 * The best of the scored pods, ties at random. Unknown pods come after all known ones; where nothing is known of any,
 * the pod with the fewest requests is taken.
 */
function pickScored(
  scores: Float64Array,
  best: Scorer["best"],
  candidates: readonly Candidate[],
  random: () => number,
): number {
  const worst = best === "lowest" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  let known = 0;
  for (let i = 0; i < scores.length; i++) {
    if (Number.isFinite(scores[i])) known++;
    else scores[i] = worst;
  }
  if (known === 0) return pickFewestRequests(candidates, random);
  return best === "lowest" ? pickLowest(scores, random) : pickHighest(scores, random);
}

/** The pod with the fewest requests, ties at random. */
export function pickFewestRequests(candidates: readonly Candidate[], random: () => number): number {
  const requests = new Float64Array(candidates.length);
  for (let i = 0; i < requests.length; i++) requests[i] = requestsOn(candidates[i] as Candidate);
  return pickLowest(requests, random);
}

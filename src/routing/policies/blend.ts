import { type Policy, pickHighest, type Scorer } from "../policy.ts";

/** A policy that judges pods one by one, and how much it counts. */
export type BlendMember = { readonly policy: Policy; readonly scorer: Scorer; readonly weight: number };

/** Sums closer than this are equal. */
const TIE_BAND = 1e-9;

/**
 * Several policies as one, by AIBrix's rule (gateway plugin 0.7, multi-strategy routing): each member's scores are scaled
 * to 0 to 1 between the worst and the best of the candidates, best is 1; pods that a member knows nothing of get 0, and
 * all the others 1 where they are equal. The highest weighted mean wins, ties at random. Every member remembers the
 * placement.
 */
export function blendOf(name: string, members: readonly BlendMember[]): Policy {
  const totalWeight = members.reduce((sum, { weight }) => sum + weight, 0);
  const columns = members.length + 1;
  return {
    name,
    waitsForChoice: members.some(({ policy }) => policy.waitsForChoice === true),
    columns: ["blend", ...members.map(({ policy }) => policy.name)],
    decide(request, candidates, context) {
      const count = candidates.length;
      const terms = new Float64Array(columns * count);
      const sums = new Float64Array(count);
      for (const [column, { scorer, weight }] of members.entries()) {
        const scores = new Float64Array(count);
        scorer.score(request, candidates, context, scores);
        scale(scores, scorer.best);
        for (let i = 0; i < count; i++) {
          terms[columns * i + column + 1] = scores[i] as number;
          sums[i] = (sums[i] as number) + ((scores[i] as number) * weight) / totalWeight;
        }
      }
      for (let i = 0; i < count; i++) terms[columns * i] = sums[i] as number;
      return { chosen: pickHighest(sums, context.random, TIE_BAND), terms };
    },
    placed(placement, memory) {
      for (const { policy } of members) policy.placed?.(placement, memory);
    },
    ...(members.some(({ policy }) => policy.settled !== undefined) && {
      settled(outcome, memory) {
        for (const { policy } of members) policy.settled?.(outcome, memory);
      },
    }),
  };
}

/** Scales to 0 to 1 in place, best is 1; what is not finite becomes 0. */
function scale(scores: Float64Array, best: Scorer["best"]): void {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const score of scores) {
    if (!Number.isFinite(score)) continue;
    least = Math.min(least, score);
    most = Math.max(most, score);
  }
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i] as number;
    if (!Number.isFinite(score)) scores[i] = 0;
    else if (most === least) scores[i] = 1;
    else scores[i] = (best === "lowest" ? most - score : score - least) / (most - least);
  }
}

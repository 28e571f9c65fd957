import { type Policy, type PolicyPlacement, pickHighest } from "../policy.ts";
import { type PolicyMemory, remember } from "../policy-memory.ts";
import { definePolicy } from "./definition.ts";
import { pinSession } from "./session-affinity.ts";
import { SCORERS, type ScorerSettings } from "./weighted-scorers.ts";

const MOST_COLD_PODS = 1_024;

type ScorerName = keyof typeof SCORERS;

/** Weights of the scorers: llm-d's blend up to 2026, prefix 3, queue 2, KV 2. */
const WEIGHTS: Readonly<Record<ScorerName, number>> = {
  prefix: 3,
  queue: 2,
  kv: 2,
  precisePrefix: 0,
  running: 0,
  tokenLoad: 0,
  loraAffinity: 0,
  noHitLru: 0,
  session: 0,
  activeRequest: 0,
  contextLength: 0,
};

const SETTINGS: ScorerSettings = {
  prefixTokensShare: 0,
  hostCredit: 0.8,
  fullTokens: 4_194_304,
  sessionS: 300,
  idleRequests: 0,
  mostBusyScore: 1,
};

/**
 * A weighted sum of scorers, the highest wins, ties at random: how llm-d's router and the Gateway API inference extension
 * choose. Each scorer of weighted-scorers.ts is a parameter, its weight the value; 0 leaves it out. With
 * `picker: "weighted-random"` pods are drawn in proportion to their scores.
 */
export const weighted = definePolicy(
  "weighted",
  { ...WEIGHTS, ...SETTINGS, picker: "max-score" },
  (parameters): Policy => {
    const names = (Object.keys(WEIGHTS) as ScorerName[]).filter((name) => parameters[name] > 0);
    return {
      name: "weighted",
      waitsForChoice: true,
      columns: ["score", ...names],
      decide(request, candidates, context) {
        const count = candidates.length;
        const columns = names.length + 1;
        const terms = new Float64Array(columns * count);
        const sums = new Float64Array(count);
        const scores = new Float64Array(count);
        for (const [column, name] of names.entries()) {
          SCORERS[name](request, candidates, context, scores, parameters);
          for (let i = 0; i < count; i++) {
            const score = Math.min(1, Math.max(0, scores[i] as number));
            terms[columns * i + column + 1] = score;
            sums[i] = (sums[i] as number) + parameters[name] * score;
          }
        }
        for (let i = 0; i < count; i++) terms[columns * i] = sums[i] as number;
        const draws = parameters.picker === "weighted-random";
        return { chosen: draws ? drawn(sums, context.random) : pickHighest(sums, context.random), terms };
      },
      placed(placement, memory) {
        if (parameters.session > 0) pinSession(placement, memory);
        if (parameters.noHitLru > 0) noteColdPlacement(placement, memory);
      },
    };
  },
);

function noteColdPlacement({ candidates, chosen, nowMs }: PolicyPlacement, memory: PolicyMemory): void {
  if (candidates.some(({ matchedSegments }) => matchedSegments > 0)) return;
  remember(memory.coldPlacements, chosen.id, nowMs, MOST_COLD_PODS);
}

/** An index at random, in proportion to its score; any where all scores are 0. */
function drawn(scores: Float64Array, random: () => number): number {
  const total = scores.reduce((sum, score) => sum + score, 0);
  if (total === 0) return Math.floor(random() * scores.length);
  let left = random() * total;
  const index = scores.findIndex((score) => {
    left -= score;
    return left < 0;
  });
  return index === -1 ? scores.length - 1 : index;
}

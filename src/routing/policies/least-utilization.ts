import type { Candidate } from "../policy.ts";
import { definePolicy } from "./definition.ts";
import { scoredPolicy } from "./scored-policy.ts";

/**
 * The pod whose engine is least utilized (AIBrix `least-utilization`, gateway plugin 0.7). The gauge is the engine's own
 * where there is one (SGLang, xLLM). AIBrix chooses at random without it; here the fuller of KV cache and batch stands
 * in for it, with `mostRunning` requests taken as a full batch.
 */
export const leastUtilization = definePolicy("least-utilization", { mostRunning: 256 }, ({ mostRunning }) =>
  scoredPolicy({
    name: "least-utilization",
    column: "utilization",
    best: "lowest",
    score(_request, candidates, _context, scores) {
      for (let i = 0; i < scores.length; i++) {
        scores[i] = utilizationOf(candidates[i] as Candidate, mostRunning);
      }
    },
  }),
);

function utilizationOf({ gauges }: Candidate, mostRunning: number): number {
  if (gauges?.utilization !== undefined) return gauges.utilization;
  const { running, waiting = 0, kvUsage = 0 } = gauges ?? {};
  if (running === undefined) return Number.NaN;
  return Math.max(kvUsage, (running + waiting) / Math.max(1, mostRunning));
}

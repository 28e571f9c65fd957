import type { Candidate, Policy } from "../policy.ts";

/**
 * A policy that heeds the client's goal for its first token (`x-slo-ttft-ms`). The policy predicts it in a column
 * `ttftMs`. Where its choice would miss the goal and other pods would meet it, it chooses among those: what it prizes
 * beside the time, a warm cache say, is not worth a broken promise. Where no pod would meet it, the choice stands.
 */
export function withTtftGoal(policy: Policy): Policy {
  const width = policy.columns.length;
  const column = policy.columns.indexOf("ttftMs");
  return {
    ...policy,
    decide(request, candidates, context) {
      const decision = policy.decide(request, candidates, context);
      const { sloTtftMs } = request;
      if (sloTtftMs === undefined) return decision;
      const { terms } = decision;
      const meetsGoal = (index: number) => (terms[width * index + column] as number) <= sloTtftMs;
      if (meetsGoal(decision.chosen)) return decision;
      const places = [...candidates.keys()].filter(meetsGoal);
      if (places.length === 0) return decision;
      const inTime = places.map((index) => candidates[index] as Candidate);
      const { chosen } = policy.decide(request, inTime, context);
      return { chosen: places[chosen] as number, terms };
    },
  };
}

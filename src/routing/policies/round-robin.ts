import type { Candidate, Policy } from "../policy.ts";
import { remember } from "../policy-memory.ts";

const MOST_MODELS = 1_024;

/**
 * Each pod in turn, in the order of their ids: the one that follows the last chosen. Unlike a counter taken modulo the
 * number of pods, it keeps its place when pods come and go. A retry does not count as a turn.
 */
export const roundRobin: Policy = {
  name: "round-robin",
  columns: [],
  decide(request, candidates, { memory }) {
    const last = memory.lastChosen.get(request.model);
    let chosen = 0;
    if (last !== undefined) {
      while (chosen < candidates.length && (candidates[chosen] as Candidate).id <= last) chosen++;
    }
    return { chosen: chosen % candidates.length, terms: new Float64Array(0) };
  },
  placed({ request, chosen, retried }, memory) {
    // Or else two pods, one of them failing, would see every request begin with the one that fails.
    if (retried) return;
    remember(memory.lastChosen, request.model, chosen.id, MOST_MODELS);
  },
};

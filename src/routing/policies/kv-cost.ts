import { type Candidate, pickLowest } from "../policy.ts";
import { definePolicy } from "./definition.ts";
import { pickSoftmax } from "./softmax-pick.ts";

/** Where an engine does not tell its block size. */
const ASSUMED_BLOCK_TOKENS = 16;

/**
 * The KV router of NVIDIA Dynamo 1.x (lib/kv-router, default selector), in blocks:
 *
 *     cost    = prefillScale x max(prefill - credit, 0) + decode + requestWeight x requests in flight
 *     prefill = active prefill blocks + the request's own
 *     credit  = overlapCredit x decay x blocks on the GPU + hostCredit x blocks in host memory
 *     decay   = 1 / (1 + overlapDecay x (active prefill blocks - least of all pods) / the request's blocks)
 *     decode  = blocks of all prompts in flight, this one included
 *
 * `formula: "lmetric"` multiplies instead: prefill term x (decode + 1). The lowest cost wins, ties at random; with a
 * `temperature` above 0 pods are drawn by softmax. Here all of it comes from the router's own leases; blocks that
 * prompts in flight share are counted for each of them.
 */
export const kvCost = definePolicy(
  "kv-cost",
  {
    overlapCredit: 1,
    hostCredit: 0.75,
    overlapDecay: 0,
    prefillScale: 1,
    requestWeight: 0,
    temperature: 0,
    formula: "sum",
  },
  (parameters) => ({
    name: "kv-cost",
    waitsForChoice: true,
    columns: ["cost", "prefillBlocks", "creditBlocks", "decodeBlocks"],
    decide(request, candidates, { random }) {
      const { prefillScale, requestWeight, temperature } = parameters;
      const count = candidates.length;
      const costs = new Float64Array(count);
      const terms = new Float64Array(4 * count);
      let leastBacklogTokens = Number.POSITIVE_INFINITY;
      for (const { backlogTokens } of candidates) leastBacklogTokens = Math.min(leastBacklogTokens, backlogTokens);
      for (let i = 0; i < count; i++) {
        const candidate = candidates[i] as Candidate;
        const blockTokens = candidate.blockTokens || ASSUMED_BLOCK_TOKENS;
        const prefill = (candidate.backlogTokens + request.promptTokens) / blockTokens;
        const beyondLeastTokens = candidate.backlogTokens - leastBacklogTokens;
        const decay = 1 / (1 + (parameters.overlapDecay * beyondLeastTokens) / Math.max(1, request.promptTokens));
        const credit = creditTokens(candidate, parameters.overlapCredit * decay, parameters.hostCredit) / blockTokens;
        const decode = (candidate.promptTokensInFlight + request.promptTokens) / blockTokens;
        const adjusted = prefillScale * Math.max(prefill - credit, 0);
        const work = parameters.formula === "lmetric" ? adjusted * (decode + 1) : adjusted + decode;
        costs[i] = work + requestWeight * candidate.inFlight;
        terms.set([costs[i] as number, prefill, credit, decode], 4 * i);
      }
      const chosen = temperature > 0 ? pickSoftmax(costs, temperature, random) : pickLowest(costs, random);
      return { chosen, terms };
    },
  }),
);

function creditTokens(candidate: Candidate, gpuCredit: number, hostCredit: number): number {
  const { matchedTokens, matchedSegments, hostSegments } = candidate;
  if (matchedSegments === 0) return 0;
  const hostTokens = (matchedTokens * hostSegments) / matchedSegments;
  return gpuCredit * (matchedTokens - hostTokens) + hostCredit * hostTokens;
}

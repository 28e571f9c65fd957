import type { Chain, PodOutlook } from "./pod-outlook.ts";
import { type PrefillRates, promptPrefillMs } from "./prefill-cost.ts";
import type { ReturnTimes } from "./return-times.ts";

/**
 * An eviction is brought forward by about this share of the time in which the pod takes in as much as is evicted: had
 * this request gone elsewhere, others would have pushed the same chains out a little later.
 */
const FORWARD_SHARE = 0.33;
const LEAST_FORWARD_MS = 1_000;
const MOST_FORWARD_MS = 600_000;

/** A placement as far as memory matters. */
export type EvictionQuestion = {
  readonly pod: PodOutlook;
  readonly capacityTokens: number;
  /** Tokens the request adds: uncached prompt and an expected answer. */
  readonly neededTokens: number;
  /** An expected answer's length: what the leases there are going to add each. */
  readonly answerTokens: number;
  /** The chain the request continues: it does not push itself out. */
  readonly chain: Chain | undefined;
  readonly returns: ReturnTimes;
  readonly rates: PrefillRates;
  readonly nowMs: number;
};

/**
 * Expected time of recomputing what a placement pushes out of a pod's cache, in ms: for each chain that goes, least
 * recently finished first, the chance that it comes back before it would have gone anyway, times the prefill of what it
 * loses. Stale copies cost nothing.
 */
export function evictionCostMs(question: EvictionQuestion): number {
  const { pod, capacityTokens, neededTokens, answerTokens, chain: own, returns, rates, nowMs } = question;
  const usedTokens = pod.idleTokens + pod.heldTokens + pod.leases * answerTokens;
  let excessTokens = neededTokens - (capacityTokens - usedTokens);
  if (excessTokens <= 0) return 0;
  const intakePerMs = Math.max(1e-9, pod.insertions.perMs(nowMs));
  const forwardMs = Math.min(
    MOST_FORWARD_MS,
    Math.max(LEAST_FORWARD_MS, (FORWARD_SHARE * Math.min(excessTokens, neededTokens)) / intakePerMs),
  );
  let costMs = 0;
  for (let idle = pod.oldest; idle !== undefined; idle = idle.newer) {
    const { chain, tokens, promptTokens } = idle;
    if (chain === own) continue;
    const lostTokens = Math.min(excessTokens, tokens);
    if (chain.home === pod && chain.inFlight === 0) {
      const recomputeMs = promptPrefillMs(rates, promptTokens, promptTokens - lostTokens);
      costMs += returns.chance(chain, forwardMs, nowMs) * recomputeMs;
    }
    excessTokens -= lostTokens;
    if (excessTokens <= 0) break;
  }
  return costMs;
}

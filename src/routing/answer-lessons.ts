import { learnedHitYield } from "./hit-yield.ts";
import type { Lease } from "./lease-ledger.ts";
import { movingMean } from "./moving-mean.ts";
import type { LeaseOutcome } from "./placement.ts";
import type { RouterState } from "./router-state.ts";

/** Takes from the end of a request what its engine told: how long the prompt was, and how much of it was cached. */
export function learnFromAnswer(
  { learner, truth }: RouterState,
  { pod, promptBytes, prediction, firstTokenAtMs }: Lease,
  { kind, promptTokens, cachedTokens }: LeaseOutcome,
  nowMs: number,
): void {
  if (kind === "completed" && firstTokenAtMs !== undefined) {
    pod.decodeMs = movingMean(pod.decodeMs, nowMs - firstTokenAtMs);
  }
  if (promptTokens === undefined) return;
  pod.promptTokens += promptTokens;
  pod.cachedTokens += cachedTokens ?? 0;
  learner.observePromptLength(promptBytes, promptTokens);
  if (cachedTokens === undefined || prediction === undefined) return;
  truth.observe(prediction.hitTokens, cachedTokens, prediction.toleranceTokens);
  pod.hitYield = learnedHitYield(pod.hitYield, prediction.hitTokens, cachedTokens);
}

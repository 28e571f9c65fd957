import { predictedHit } from "../load/call-outcome.ts";
import type { PlayedCall } from "../replay/play-policy.ts";
import { percentile, rounded } from "../report/percentiles.ts";
import { quotient } from "../report/quotient.ts";
import { engineText } from "../traces/engine-text.ts";

/** How well predicted cache hits fit what the engines reported, over all answered calls. */
export type HitErrors = {
  readonly requests: number;
  readonly failed: number;
  /** Calls whose error is within one segment and one engine block. */
  readonly withinShare: number;
  /** Predicted less reported. */
  readonly signedErrorTokens: { readonly p1: number; readonly p50: number; readonly p99: number };
  /** Reported hit tokens that were not predicted, of all reported. */
  readonly missedHitShare: number;
  /** Predicted hit tokens that were not reported, of all predicted. */
  readonly overstatedShare: number;
  /** Cached by prompt tokens, as the engines reported. */
  readonly hitShare: number;
};

/** The truth comes from the answers' usage. */
export function hitErrors(played: readonly PlayedCall[], segmentBytes: number, blockTokens: number): HitErrors {
  const errors: number[] = [];
  let [within, missed, overstated, predictedSum, cachedSum, promptSum] = [0, 0, 0, 0, 0, 0];
  for (const { call, outcome } of played) {
    if (outcome.kind !== "completed" || outcome.usage === undefined) continue;
    const { promptTokens, cachedTokens } = outcome.usage;
    const { matchedTokens: predicted } = predictedHit(outcome);
    const bytesPerToken = Buffer.byteLength(engineText(call.prompt()), "utf8") / promptTokens;
    const error = predicted - cachedTokens;
    errors.push(error);
    if (Math.abs(error) <= segmentBytes / bytesPerToken + blockTokens) within++;
    missed += Math.max(0, -error);
    overstated += Math.max(0, error);
    predictedSum += predicted;
    cachedSum += cachedTokens;
    promptSum += promptTokens;
  }
  const sorted = errors.toSorted((a, b) => a - b);
  const at = (share: number): number => Math.round(percentile(sorted, share));
  return {
    requests: played.length,
    failed: played.filter(({ outcome }) => outcome.kind === "failed").length,
    withinShare: rounded(quotient(within, errors.length)),
    signedErrorTokens: { p1: at(0.01), p50: at(0.5), p99: at(0.99) },
    missedHitShare: rounded(quotient(missed, cachedSum)),
    overstatedShare: rounded(quotient(overstated, predictedSum)),
    hitShare: rounded(quotient(cachedSum, promptSum)),
  };
}

import type { FleetResult } from "../../sim/fleet/fleet-simulation.ts";
import { mean, percentile, type Summary } from "../report/percentiles.ts";
import { type LengthWaits, waitsByLength } from "./waits-by-length.ts";

/** What one simulation came to, times in s. Requests of the warm-up count nowhere. */
export type RunFigures = {
  readonly requests: number;
  /** Began an answer that never ended. */
  readonly failed: number;
  /** No pod could take them, or the queue did not. Their time to first token is the run's. */
  readonly refused: number;
  readonly ttftS: Summary;
  /** Mean time from reaching the pod to the first token: without router, queue and network. */
  readonly podTtftMs: number;
  /** Mean time per output token after the first. */
  readonly tpotMs: number;
  /** Requests with their first token within 2 s and a token every 50 ms after it, of all. */
  readonly goodShare: number;
  /** Prompt tokens that were not computed again, of those answered. */
  readonly hitShare: number;
  /** Prompt tokens computed by the busiest pod, by the mean of all. */
  readonly imbalance: number;
  readonly completedPerS: number;
  readonly resent: number;
  readonly preemptions: number;
  readonly waits: readonly LengthWaits[];
};

/** Share of the run's time that fills caches and queues and is not measured. */
export const WARM_UP_SHARE = 0.2;
const GOOD_TTFT_MS = 2_000;
const GOOD_TPOT_MS = 50;

/** Figures of a run whose arrivals took `durationMs`, `warmUpMs` of which are not measured. */
export function runFigures(result: FleetResult, durationMs: number, warmUpMs: number): RunFigures {
  const { log, prefilledTokens } = result;
  const ttftMs: number[] = [];
  const lengths: number[] = [];
  let requests = 0;
  let refused = 0;
  let failed = 0;
  let good = 0;
  let tpotMs = 0;
  let podTtftMs = 0;
  let hitTokens = 0;
  let promptTokens = 0;
  for (let i = 0; i < log.size; i++) {
    const arrivalMs = log.arrivalMs[i] as number;
    if (arrivalMs < warmUpMs) continue;
    requests++;
    lengths.push(log.promptTokens[i] as number);
    const firstTokenMs = log.firstTokenMs[i] as number;
    const endMs = log.endMs[i] as number;
    if (Number.isNaN(firstTokenMs)) {
      refused++;
      ttftMs.push(durationMs);
      continue;
    }
    ttftMs.push(firstTokenMs - arrivalMs);
    podTtftMs += firstTokenMs - (log.reachedMs[i] as number);
    if (Number.isNaN(endMs)) {
      failed++;
      continue;
    }
    const perTokenMs = (endMs - firstTokenMs) / Math.max(1, (log.outputTokens[i] as number) - 1);
    tpotMs += perTokenMs;
    if (firstTokenMs - arrivalMs <= GOOD_TTFT_MS && perTokenMs <= GOOD_TPOT_MS) good++;
    hitTokens += log.hitTokens[i] as number;
    promptTokens += log.promptTokens[i] as number;
  }
  const answered = requests - refused - failed;
  const waits = waitsByLength(ttftMs, lengths);
  ttftMs.sort((a, b) => a - b);
  const seconds = (share: number): number => percentile(ttftMs, share) / 1_000;
  return {
    requests,
    failed,
    refused,
    ttftS: { mean: mean(ttftMs) / 1_000, p50: seconds(0.5), p90: seconds(0.9), p99: seconds(0.99) },
    podTtftMs: requests === refused ? 0 : podTtftMs / (requests - refused),
    tpotMs: answered === 0 ? 0 : tpotMs / answered,
    goodShare: requests === 0 ? 0 : good / requests,
    hitShare: promptTokens === 0 ? 0 : hitTokens / promptTokens,
    imbalance: Math.max(...prefilledTokens) / Math.max(1, mean(prefilledTokens)),
    completedPerS: answered / ((durationMs - warmUpMs) / 1_000),
    resent: result.resent,
    preemptions: result.preemptions,
    waits,
  };
}

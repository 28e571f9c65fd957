import { predictedHit, serverTimingMs } from "../load/call-outcome.ts";
import { histogramPercentile, mergedBuckets } from "../report/histogram.ts";
import { mean, percentile, rounded, type Summary, summarize } from "../report/percentiles.ts";
import { quotient } from "../report/quotient.ts";
import type { EngineTruth } from "../stack/engine-truth.ts";
import type { CacheDemand } from "../traces/cache-ceiling.ts";
import type { PlayedCall } from "./play-policy.ts";

/** What a policy came to on a live stack. TTFT figures are in simulated ms, router figures in wall ms. */
export type PolicyRow = {
  readonly policy: string;
  readonly requests: number;
  readonly failed: number;
  /** Left by their clients, as planned. */
  readonly aborted: number;
  readonly openLeases: number;
  readonly hitShare: number;
  readonly ceilingHitShare: number;
  /** What the router expected of the cache when it decided. */
  readonly predictedHitShare: number;
  /** As the engines report it: from arrival at the engine to the first token. */
  readonly ttftMs: Summary;
  /** As the clients measured it: from sending to the first content token. */
  readonly clientTtftMs: Summary;
  /** From a request's arrival at the edge to its lease. */
  readonly routerMs: { readonly mean: number; readonly p50: number; readonly p99: number };
  /** Clients' mean TTFT less the engines': edge, network and the engine's own HTTP, in wall ms. */
  readonly overheadMs: number;
  readonly durationS: number;
  readonly podRows: readonly PodRow[];
};

/** One pod's part. */
export type PodRow = {
  readonly pod: string;
  readonly requests: number;
  readonly hitShare: number;
  readonly ttftMs: Summary;
  readonly clientTtftMs: Summary;
};

/** What a row is made from. `engines` counted since the stack started. */
export type PolicyRun = {
  readonly policy: string;
  readonly played: readonly PlayedCall[];
  readonly engines: readonly EngineTruth[];
  readonly openLeases: number;
  readonly demand: CacheDemand;
  readonly timeScale: number;
  readonly durationS: number;
};

/** Notes that belong to every table made of these rows. */
export const POLICY_ROW_NOTES: readonly string[] = [
  "hitShare: cached by prompt tokens, as the engines counted them",
  "ttftMs: as the engines report it, arrival at the engine to first token; the mean from their sums, percentiles " +
    "interpolated in their histograms' buckets; simulated ms",
  "clientTtftMs: from sending to the first content token, wall time x time scale; whatever the machine is short of " +
    "counts in, multiplied by the time scale",
  "routerMs: wall ms from a request's arrival at the edge to its lease (server-timing `route`); workerd's clock has " +
    "whole milliseconds and moves with I/O only",
  "ceilingHitShare: an unlimited cache shared by all pods, in the engine's own tokens and 16-token blocks, recorded " +
    "answers cached too",
];

/** The row of a run. */
export function policyRow(run: PolicyRun): PolicyRow {
  const { policy, played, engines, openLeases, demand, timeScale, durationS } = run;
  const outcomes = played.map(({ outcome }) => outcome);
  const router = outcomes.flatMap((outcome) => serverTimingMs(outcome, "route") ?? []).toSorted((a, b) => a - b);
  const wallTtft = outcomes.flatMap(({ ttftMs }) => ttftMs ?? []);
  const clientTtftMs = summarize(wallTtft.map((ms) => ms * timeScale));
  const ttftMs = engineTtft(engines, timeScale);
  return {
    policy,
    requests: outcomes.length,
    failed: outcomes.filter(({ kind }) => kind === "failed").length,
    aborted: outcomes.filter(({ kind }) => kind === "aborted").length,
    openLeases,
    hitShare: rounded4(quotient(sum(engines, "cachedTokens"), sum(engines, "promptTokens"))),
    ceilingHitShare: rounded4(demand.ceilingHitShare),
    predictedHitShare: rounded4(predictedHitShare(played)),
    ttftMs,
    clientTtftMs,
    routerMs: {
      mean: rounded(mean(router)),
      p50: rounded(percentile(router, 0.5)),
      p99: rounded(percentile(router, 0.99)),
    },
    overheadMs: rounded(mean(wallTtft) - ttftMs.mean / timeScale),
    durationS,
    podRows: podRows(played, engines, timeScale),
  };
}

function podRows(played: readonly PlayedCall[], engines: readonly EngineTruth[], timeScale: number): PodRow[] {
  return engines.map((engine) => {
    const onPod = played.filter(({ outcome }) => outcome.headers["target-pod"]?.includes(`/${engine.name}/`));
    const ttft = onPod.flatMap(({ outcome }) => outcome.ttftMs ?? []).map((ms) => ms * timeScale);
    return {
      pod: engine.name,
      requests: onPod.length,
      hitShare: rounded4(quotient(engine.cachedTokens, engine.promptTokens)),
      ttftMs: engineTtft([engine], timeScale),
      clientTtftMs: summarize(ttft),
    };
  });
}

function engineTtft(engines: readonly EngineTruth[], timeScale: number): Summary {
  const buckets = mergedBuckets(engines.map(({ ttftBuckets }) => ttftBuckets));
  const at = (share: number): number => rounded(timeScale * histogramPercentile(buckets, share));
  const meanMs = quotient(sum(engines, "ttftSumMs"), sum(engines, "firstTokens"));
  return { mean: rounded(timeScale * meanMs), p50: at(0.5), p90: at(0.9), p99: at(0.99) };
}

function predictedHitShare(played: readonly PlayedCall[]): number {
  let matched = 0;
  let prompt = 0;
  for (const { outcome } of played) {
    const { matchedTokens, promptTokens } = predictedHit(outcome);
    matched += matchedTokens;
    prompt += promptTokens;
  }
  return quotient(matched, prompt);
}

function sum(engines: readonly EngineTruth[], field: Exclude<keyof EngineTruth, "name" | "ttftBuckets">): number {
  return engines.reduce((total, engine) => total + engine[field], 0);
}

function rounded4(share: number): number {
  return Math.round(share * 10_000) / 10_000;
}

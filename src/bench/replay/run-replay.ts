import type { Bundle } from "../../selfhost/bundle.ts";
import { progress } from "../report/progress.ts";
import { startStack } from "../stack/stack.ts";
import { measurePolicy } from "./measure-policy.ts";
import type { PolicyRow } from "./policy-row.ts";
import type { ReplayPlan } from "./replay-plan.ts";

const MODEL = "qwen3-8b";
/** The collector's usual time between two looks at an engine. */
const SCRAPE_INTERVAL_MS = 1_000;
/** It does not look more often. */
const LEAST_SCRAPE_INTERVAL_MS = 100;

/** How a plan is put on a live stack. */
export type ReplayOptions = {
  readonly bundle: Bundle;
  readonly plan: ReplayPlan;
  readonly trace: string;
  readonly policies: readonly string[];
  readonly pods: number;
  /** KV cache of each engine. */
  readonly kvTokens: number;
  readonly maxModelLen: number;
  readonly timeScale: number;
  readonly kvEvents: boolean;
  /** Whether requests wait in the router for a pod. */
  readonly queue: boolean;
  readonly abortShare: number;
  readonly seed: number;
  readonly signal: AbortSignal;
};

export type ReplayRow = PolicyRow & { readonly trace: string; readonly pods: number; readonly engineKvTokens: number };

/** Plays the plan under each policy on a stack that starts cold, so that no policy finds what another left. */
export async function runReplay(
  options: ReplayOptions,
): Promise<{ readonly rows: readonly ReplayRow[]; readonly broken: readonly string[] }> {
  const { bundle, plan, trace, pods, kvTokens, maxModelLen, timeScale, kvEvents, abortShare, seed, signal } = options;
  const engines = { count: pods, model: MODEL, kvTokens, maxModelLen, timeScale, seed, kvEvents };
  // Gauges are to be as old as in production in the time of the engines, not of the clock.
  const scrapeIntervalMs = Math.max(LEAST_SCRAPE_INTERVAL_MS, Math.round(SCRAPE_INTERVAL_MS / timeScale));
  const collectorArgs = ["--scrape-interval-ms", `${scrapeIntervalMs}`];
  const settings = { queue: { enabled: options.queue } };
  const rows: ReplayRow[] = [];
  const broken: string[] = [];
  for (const policy of options.policies) {
    progress(`${policy}: starting the stack ...`);
    const stack = await startStack({ bundle, engines, settings, collectorArgs, edgePort: 0, signal });
    try {
      const { sessions, drive, demand } = plan;
      const onCall = quarters(demand.calls, (done) => progress(`${policy}: ${done} of ${demand.calls} requests`));
      const play = { policy, sessions, drive, abortShare, seed, signal, onCall };
      const measured = await measurePolicy(stack, { ...play, demand, timeScale });
      rows.push({ ...measured.row, trace, pods, engineKvTokens: kvTokens });
      broken.push(...measured.broken);
    } finally {
      await stack.stop();
    }
  }
  return { rows, broken };
}

/** Reports at each quarter of the way. */
export function quarters(total: number, report: (done: number) => void): (done: number) => void {
  const step = Math.max(1, Math.ceil(total / 4));
  return (done) => {
    if (done % step === 0 || done === total) report(done);
  };
}

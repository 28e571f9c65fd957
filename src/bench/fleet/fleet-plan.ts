import path from "node:path";
import { type EngineProfileName, engineProfiles } from "../../sim/engine/step-time.ts";
import type { FleetProfileName } from "../../sim/fleet/fleet-setup.ts";
import type { IndexKind } from "../../sim/fleet/index-kind.ts";
import { openTrace } from "../traces/read-trace.ts";
import type { TraceFormat } from "../traces/trace-rows.ts";
import { type FleetCell, scenarioNamed } from "./fleet-cell.ts";
import { type AskedPolicy, BOUNDS } from "./fleet-policies.ts";
import type { FleetQueue } from "./fleet-queue.ts";
import type { Demand } from "./fleet-workload.ts";

/** What is asked for; lists are combined with each other. */
export type FleetRequestedRuns = {
  readonly trace: readonly (string | undefined)[];
  readonly scenario: readonly string[];
  readonly profile: FleetProfileName;
  readonly engine: EngineProfileName;
  readonly cacheScale: number;
  /** KV cache of a pod; goes before `cacheScale`. */
  readonly kvTokens?: number | undefined;
  readonly scrapeMs?: number | undefined;
  readonly eventDelayMs?: number | undefined;
  readonly index: IndexKind;
  readonly pods: readonly number[];
  readonly load?: readonly number[] | undefined;
  readonly sessionsPerPod?: readonly number[] | undefined;
  readonly policy: readonly AskedPolicy[];
  readonly queue: readonly FleetQueue[];
  readonly deadlineMs: number | undefined;
  readonly seeds: number;
  readonly seed: number;
  readonly horizonMs: number;
  readonly thinkMs?: number | undefined;
  readonly once?: boolean | undefined;
  readonly mostTokens: number;
};

/** Settings to compare policies in; each holds one cell per policy and seed. */
export type FleetPlan = {
  readonly settings: readonly FleetSetting[];
};

/** One setting: `cells[policy and queue][seed]`. */
export type FleetSetting = { readonly traceName: string; readonly cells: readonly (readonly FleetCell[])[] };

const USUAL_SESSIONS_PER_POD = 5;
const USUAL_LOAD = 0.45;
/** Formats recorded by arrival; the others are sessions. */
const OPEN_FORMATS: ReadonlySet<TraceFormat> = new Set(["mooncake", "lengths", "clientRates"]);

/** Works out the cells. Throws for unknown scenarios and unreadable traces. */
export async function fleetPlan(asked: FleetRequestedRuns): Promise<FleetPlan> {
  const settings: FleetSetting[] = [];
  for (const trace of asked.trace) {
    const open = trace !== undefined && (await isOpen(trace));
    for (const scenario of asked.scenario) {
      for (const pods of asked.pods) {
        for (const demand of demands(asked, scenario, open)) {
          const { profile, engine, kvTokens, mostTokens, deadlineMs, scrapeMs, eventDelayMs, index } = asked;
          const cacheScale = kvTokens === undefined ? asked.cacheScale : kvTokens / engineProfiles[engine].kvTokens;
          const reports = { scrapeMs, eventDelayMs, index };
          const fleet = { profile, engine, cacheScale, pods, ...reports };
          const common = { trace, scenario, ...fleet, demand, mostTokens, deadlineMs };
          const cells = queuedPolicies(asked).map((run) =>
            Array.from({ length: asked.seeds }, (_, i) => ({ ...common, ...run, seed: asked.seed + i })),
          );
          settings.push({ traceName: trace === undefined ? "made-up sessions" : path.basename(trace), cells });
        }
      }
    }
  }
  return { settings };
}

/** Each policy with each kind of queue. Bounds have none. */
function queuedPolicies({ policy, queue }: FleetRequestedRuns): (AskedPolicy & { readonly queue: FleetQueue })[] {
  return policy.flatMap((each) =>
    (BOUNDS.has(each.policy) ? (["off"] as const) : queue).map((ofQueue) => ({ ...each, queue: ofQueue })),
  );
}

async function isOpen(file: string): Promise<boolean> {
  const trace = await openTrace(file);
  await trace.rows.return(undefined);
  return OPEN_FORMATS.has(trace.format);
}

function demands(asked: FleetRequestedRuns, scenario: string, open: boolean): Demand[] {
  const usual = scenarioNamed(scenario).demand;
  const { load, sessionsPerPod, horizonMs, thinkMs, once } = asked;
  if (open) {
    if (sessionsPerPod !== undefined && load === undefined) throw new Error("an open-loop trace takes --load");
    return (load ?? [usual?.load ?? USUAL_LOAD]).map((each) => ({ kind: "load", load: each }));
  }
  if (load !== undefined && sessionsPerPod === undefined) throw new Error("recorded sessions take --sessions-per-pod");
  return (sessionsPerPod ?? [usual?.sessionsPerPod ?? USUAL_SESSIONS_PER_POD]).map((perPod) => ({
    kind: "sessions",
    perPod,
    horizonMs,
    thinkMs,
    once,
  }));
}

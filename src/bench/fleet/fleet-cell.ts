import { type EngineProfileName, engineProfiles } from "../../sim/engine/step-time.ts";
import { estimatedTtft, omniscient } from "../../sim/fleet/bounds.ts";
import type { FleetRouterMaker } from "../../sim/fleet/fleet-router.ts";
import { type FleetProfileName, fleetSetup } from "../../sim/fleet/fleet-setup.ts";
import { simulateFleet } from "../../sim/fleet/fleet-simulation.ts";
import type { IndexKind } from "../../sim/fleet/index-kind.ts";
import { productionRouter } from "../../sim/fleet/production-router.ts";
import { SCENARIOS, type Scenario } from "../../sim/fleet/scenarios.ts";
import type { Workload } from "../../sim/fleet/workload.ts";
import type { FleetTrace } from "./fleet-calls.ts";
import { type RunFigures, runFigures, WARM_UP_SHARE } from "./fleet-figures.ts";
import type { AskedPolicy } from "./fleet-policies.ts";
import { type FleetQueue, queueSetup } from "./fleet-queue.ts";
import { type Demand, fleetWorkload } from "./fleet-workload.ts";

/** One simulation to be run. Plain values: cells travel to worker threads. */
export type FleetCell = AskedPolicy & {
  /** A trace file, or undefined for the built-in sessions. */
  readonly trace: string | undefined;
  readonly scenario: string;
  readonly profile: FleetProfileName;
  readonly engine: EngineProfileName;
  /** KV cache of a pod, as a multiple of the engine's. */
  readonly cacheScale: number;
  /** How old gauges get, and how late cache events are known; undefined: as in the profile. */
  readonly scrapeMs?: number | undefined;
  readonly eventDelayMs?: number | undefined;
  readonly index: IndexKind;
  readonly pods: number;
  readonly demand: Demand;
  readonly queue: FleetQueue;
  /** Within what time requests want their first token, where the queue refuses. */
  readonly deadlineMs?: number | undefined;
  readonly seed: number;
  readonly mostTokens: number;
};

/** The scenario of that name. Throws for an unknown one. */
export function scenarioNamed(name: string): Scenario {
  const scenario = SCENARIOS.find((each) => each.name === name);
  if (scenario === undefined) {
    throw new Error(`no scenario "${name}"; there are ${SCENARIOS.map((each) => each.name).join(", ")}`);
  }
  return scenario;
}

/** Runs one cell on a trace that has been read. */
export function runFleetCell(cell: FleetCell, trace: FleetTrace): RunFigures {
  const { pods, seed, policy, cacheScale, scrapeMs, eventDelayMs } = cell;
  const base = engineProfiles[cell.engine];
  const profile = { ...base, kvTokens: base.kvTokens * cacheScale };
  const workload = fleetWorkload(trace, cell.demand, { pods, profile, seed });
  const durationMs = durationOf(workload);
  const setup = {
    ...fleetSetup(cell.profile, profile, pods, seed),
    ...(scrapeMs !== undefined && { scrapeMs }),
    ...(eventDelayMs !== undefined && { eventDelayMs }),
    ...scenarioNamed(cell.scenario).changes({ pods, durationMs }),
    pooledCache: policy === "pooled",
  };
  const result = simulateFleet(workload, setup, routerOf(cell));
  if (workload.kind === "open" || !workload.once) return runFigures(result, durationMs, WARM_UP_SHARE * durationMs);
  return runFigures(result, result.log.arrivalMs[result.log.size - 1] ?? 0, 0);
}

function routerOf({ policy, policyParameters, index, queue, deadlineMs }: FleetCell): FleetRouterMaker {
  switch (policy) {
    case "omniscient":
    case "pooled":
      return omniscient;
    case "est-ttft":
      return estimatedTtft;
    default:
      return productionRouter(policy, { parameters: policyParameters, index, ...queueSetup(queue, deadlineMs) });
  }
}

function durationOf(workload: Workload): number {
  return workload.kind === "closed" ? workload.horizonMs : (workload.arrivals.at(-1)?.atMs ?? 0);
}

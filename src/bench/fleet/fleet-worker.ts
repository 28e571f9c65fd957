import { parentPort } from "node:worker_threads";
import { type FleetTrace, readFleetTrace } from "./fleet-calls.ts";
import type { FleetCell } from "./fleet-cell.ts";
import { runFleetCell, scenarioNamed } from "./fleet-cell.ts";
import { madeUpSessions } from "./made-up-sessions.ts";

/** Traces by file and what of them is played: reading one takes longer than a simulation. */
const traces = new Map<string, Promise<FleetTrace>>();

function traceOf({ trace, scenario, mostTokens }: FleetCell): Promise<FleetTrace> {
  const commonTokens = scenarioNamed(scenario).commonTokens ?? 0;
  const key = `${trace} ${commonTokens} ${mostTokens}`;
  const known = traces.get(key);
  if (known !== undefined) return known;
  const options = { mostTokens, commonTokens, seed: 1 };
  const reading = trace === undefined ? Promise.resolve(madeUpSessions(commonTokens)) : readFleetTrace(trace, options);
  traces.set(key, reading);
  return reading;
}

async function run(cell: FleetCell): Promise<void> {
  try {
    parentPort?.postMessage({ figures: runFleetCell(cell, await traceOf(cell)) });
  } catch (error) {
    parentPort?.postMessage({ problem: error instanceof Error ? error.message : String(error) });
  }
}

parentPort?.on("message", (cell: FleetCell) => void run(cell));

import { progress } from "../report/progress.ts";
import type { FleetCell } from "./fleet-cell.ts";
import type { FleetPlan } from "./fleet-plan.ts";
import { runCells } from "./fleet-pool.ts";
import { type FleetRow, type FleetRuns, fleetRow, runTitle } from "./fleet-row.ts";

/** Runs a plan on all cores, and compares all with the first run of `vs`. */
export async function runFleet({ settings }: FleetPlan, vs: string | undefined): Promise<FleetRow[]> {
  const cells = settings.flatMap((setting) => setting.cells.flat());
  let ended = 0;
  const figures = await runCells(cells, (cell, { ttftS }) => {
    ended++;
    progress(
      `${ended} of ${cells.length}: ${cell.scenario}, ${runTitle(cell)}, seed ${cell.seed}: ${ttftS.mean.toFixed(3)} s`,
    );
  });
  let at = 0;
  return settings.flatMap(({ traceName, cells: ofSetting }) => {
    const runs = ofSetting.map((ofPolicy): FleetRuns => {
      const from = at;
      at += ofPolicy.length;
      return { cell: ofPolicy[0] as FleetCell, traceName, figures: figures.slice(from, at) };
    });
    const base = runs.find(({ cell }) => cell.policy === vs);
    return runs.map((each) => fleetRow(each, base));
  });
}

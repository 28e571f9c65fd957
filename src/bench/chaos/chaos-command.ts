import { Command } from "commander";
import { finishCommand } from "../report/finish-command.ts";
import { positiveNumber, wholeNumber } from "../report/option-values.ts";
import { tableLines } from "../report/table.ts";
import { buildStackBundle } from "../stack/stack.ts";
import { withTemporaryFolder } from "../stack/temporary-folder.ts";
import { untilInterrupted } from "../stack/until-interrupted.ts";
import { CHAOS_COLUMNS } from "./chaos-row.ts";
import { RESTART_COLUMNS, runRestarts, slowRestarts } from "./restart-run.ts";
import { runChaos } from "./run-chaos.ts";

type ChaosCommandOptions = {
  readonly minutes: number;
  readonly timeScale: number;
  readonly seed: number;
  readonly restarts: number;
  readonly json?: true;
};

/** `scripts/bench chaos`: what breaks, under load, and how long it stays broken. */
export function chaosCommand(): Command {
  return new Command("chaos")
    .description("break clients, engines, the router and the collector under load on a live stack")
    .option("--minutes <n>", "for all faults together", positiveNumber, 5)
    .option("--time-scale <x>", "simulated time runs x times faster than the clock", positiveNumber, 2)
    .option("--seed <n>", "seed of dialogues, departures and engines", wholeNumber(0), 1)
    .option("--restarts <n>", "kills of an edge with 100 pods and a million claims; 90 s each", wholeNumber(0), 2)
    .option("--json", "print the result as one line of JSON")
    .action(chaos);
}

async function chaos(options: ChaosCommandOptions): Promise<void> {
  const startedAtMs = Date.now();
  const { minutes, timeScale, seed } = options;
  const { rows, rssSlopeMbPerMin, broken, restarts } = await untilInterrupted((signal) =>
    withTemporaryFolder(async (folder) => {
      const chaos = await runChaos({ bundle: await buildStackBundle(folder), minutes, timeScale, seed, signal });
      return { ...chaos, restarts: options.restarts === 0 ? [] : await runRestarts(folder, options.restarts, signal) };
    }),
  );
  const notes = [
    "recovery: until every pod is ready, router and engines agree on what is in flight, and no claim is false",
    `memory over the last half, MB a minute: ${JSON.stringify(rssSlopeMbPerMin)}`,
  ];
  const measured = {
    command: "chaos",
    seed,
    startedAtMs,
    brokenInvariants: [...broken, ...slowRestarts(restarts)],
    notes,
    rows,
    more: { rssSlopeMbPerMin, restarts },
  };
  await finishCommand(measured, options.json === true, () => [
    ...tableLines(CHAOS_COLUMNS, rows),
    "",
    ...tableLines(RESTART_COLUMNS, restarts),
    "",
    ...notes,
  ]);
}

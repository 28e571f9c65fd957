import { Command } from "commander";
import { finishCommand } from "../report/finish-command.ts";
import { positiveNumber, wholeNumber } from "../report/option-values.ts";
import { fixed, tableLines } from "../report/table.ts";
import { withTemporaryFolder } from "../stack/temporary-folder.ts";
import { untilInterrupted } from "../stack/until-interrupted.ts";
import type { CheckpointRow } from "./checkpoint-row.ts";
import { runCheckpoint } from "./run-checkpoint.ts";

type CheckpointCommandOptions = {
  readonly repeats: number;
  readonly seconds: number;
  readonly pods: number;
  readonly claims: number;
  readonly changes: number;
  readonly json?: true;
};

/** `scripts/bench checkpoint`: what writing the router's state costs requests. */
export function checkpointCommand(): Command {
  return new Command("checkpoint")
    .description("latency with the router's checkpoints on and off, requests to two such edges in turn")
    .option("--repeats <n>", "spells", wholeNumber(1), 6)
    .option("--seconds <s>", "length of a spell", positiveNumber, 20)
    .option("--pods <n>", "pods registered with each edge", wholeNumber(1), 100)
    .option("--claims <n>", "(segment, pod) pairs in each index", wholeNumber(1), 1_000_000)
    .option("--changes <n>", "segments stored and removed in a second in each index", positiveNumber, 10_000)
    .option("--json", "print the result as one line of JSON")
    .action(checkpoint);
}

async function checkpoint({ json, changes, ...shape }: CheckpointCommandOptions): Promise<void> {
  const startedAtMs = Date.now();
  const { row, broken } = await untilInterrupted((signal) =>
    withTemporaryFolder((folder) => runCheckpoint({ ...shape, changesPerS: changes, folder, signal })),
  );
  const notes = [
    "a request: 2 KB chat, key check, template, route, canned upstream; from the first byte sent to the last one received",
    "one request after the other, to the edge with checkpoints and to the one without in turn",
    "off: WARMPATH_CHECKPOINTS=off; alarms go on",
    "ratios: medians over the repeats, and half the range over them",
  ];
  const measured = { command: "checkpoint", seed: 0, startedAtMs, brokenInvariants: broken, notes, rows: [row] };
  await finishCommand(measured, json === true, () => [...checkpointTable(row), "", ...notes]);
}

function checkpointTable(row: CheckpointRow): string[] {
  const { onMs, offMs } = row;
  const lines: readonly (readonly [string, string])[] = [
    ["pods, claims", `${row.pods}, ${row.claims}`],
    ["claim changes a second, leases a second", `${row.claimChangesPerS}, ${row.leasesPerS}`],
    ["requests", `${row.requests}`],
    ["checkpoints on", inMs(onMs)],
    ["checkpoints off", inMs(offMs)],
    ["p50, on by off", `${fixed(row.p50Ratio, 3)} +/- ${fixed(row.p50RatioHalfRange, 3)}`],
    ["p99, on by off", `${fixed(row.p99Ratio, 3)} +/- ${fixed(row.p99RatioHalfRange, 3)}`],
    ["stored", `${fixed(row.storedBytes / 1e6, 1)} MB`],
  ];
  return tableLines(
    [
      { title: "", value: ([what]) => what },
      { title: "measured", value: ([, figure]) => figure },
    ],
    lines,
  );
}

function inMs({ p50, p99, mean }: CheckpointRow["onMs"]): string {
  return `p50 ${fixed(p50, 2)}, p99 ${fixed(p99, 2)}, mean ${fixed(mean, 2)} ms`;
}

import { Command } from "commander";
import { runCoreBench } from "./core-bench.ts";
import { finishCommand } from "./report/finish-command.ts";
import { positiveNumber, share, wholeNumber } from "./report/option-values.ts";
import { tableLines } from "./report/table.ts";

type CoreCommandOptions = {
  readonly pods: number;
  readonly segments: number;
  readonly pairs: number;
  readonly seconds: number;
  readonly seed: number;
  readonly recorded: number;
  readonly json?: true;
};

/** `scripts/bench core`: the routing core alone, in Node. */
export function coreCommand(): Command {
  return new Command("core")
    .description("decisions, matches and claims a second of the routing core alone, and what they cost in memory")
    .option("--pods <n>", "pods", wholeNumber(1), 100)
    .option("--segments <n>", "segments of a prompt", wholeNumber(1), 128)
    .option("--pairs <n>", "(segment, pod) pairs to store", wholeNumber(1), 1_000_000)
    .option("--seconds <s>", "length of a spell", positiveNumber, 3)
    .option("--seed <n>", "seed of prompts and ties", wholeNumber(0), 1)
    .option("--recorded <share>", "share of the decisions to record", share, 0)
    .option("--json", "print the result as one line of JSON")
    .action(core);
}

async function core({ json, ...options }: CoreCommandOptions): Promise<void> {
  const startedAtMs = Date.now();
  const row = await runCoreBench(options);
  const measured = {
    command: "core",
    seed: options.seed,
    startedAtMs,
    brokenInvariants: [],
    notes: [],
    rows: [row],
  };
  await finishCommand(measured, json === true, () =>
    tableLines<readonly [string, number | null]>(
      [
        { title: "figure", value: ([name]) => name },
        { title: "value", value: ([, value]) => value?.toFixed(Number.isInteger(value) ? 0 : 3) ?? "not measured" },
      ],
      Object.entries(row),
    ),
  );
}

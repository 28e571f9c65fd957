import { Command } from "commander";
import { finishCommand } from "../report/finish-command.ts";
import { names, positiveNumber, wholeNumber } from "../report/option-values.ts";
import { progress } from "../report/progress.ts";
import { tableLines } from "../report/table.ts";
import { withTemporaryFolder } from "../stack/temporary-folder.ts";
import { untilInterrupted } from "../stack/until-interrupted.ts";
import { loadConversations } from "./conversation-tokens.ts";
import { runCollectorBench } from "./run-collector-bench.ts";

type CollectorCommandOptions = {
  readonly pods: number;
  readonly blocks: number;
  readonly trace: readonly string[];
  readonly rate: number;
  readonly seconds: number;
  readonly frugal: boolean;
  readonly nodeArgs: readonly string[];
  readonly seed: number;
  readonly json?: true;
};

/** `scripts/bench collector`: the collector's process, fed over ZMQ with events of real texts. */
export function collectorCommand(): Command {
  return new Command("collector")
    .description("KV events of many pods into claims: blocks a second on one core, memory, bytes to the edge")
    .option("--pods <n>", "pods", wholeNumber(1), 8)
    .option("--blocks <n>", "blocks in each pod's cache", wholeNumber(1_000), 100_000)
    .option("--trace <files>", "trace files with texts, separated by commas", names, [])
    .option("--rate <tokensPerS>", "new tokens a second of each pod in the paced spell", positiveNumber, 20_000)
    .option("--seconds <s>", "length of the paced spell", positiveNumber, 20)
    .option("--no-frugal", "start the collector without the settings of Node and glibc that save memory")
    .option("--node-args <args>", "more arguments for the collector's Node, separated by commas", names, [])
    .option("--seed <n>", "seed of the order of conversations", wholeNumber(0), 1)
    .option("--json", "print the result as one line of JSON")
    .action(collector);
}

async function collector(options: CollectorCommandOptions): Promise<void> {
  const startedAtMs = Date.now();
  const { pods, blocks, rate, seconds, trace, frugal, nodeArgs, seed, json } = options;
  progress("encoding conversations ...");
  const { source, conversations } = await loadConversations(trace, seed);
  const { row, broken } = await untilInterrupted((signal) =>
    withTemporaryFolder((folder) =>
      runCollectorBench({
        pods,
        blocksPerPod: blocks,
        pacedSeconds: seconds,
        pacedTokensPerS: rate,
        conversations,
        start: { frugal, nodeArgs },
        folder,
        seed,
        signal,
      }),
    ),
  );
  const notes = [
    `events: the simulated engine's scheduler and cache, playing ${conversations.length} conversations of ${source}`,
    "the collector's own process, built as it is shipped, events over ZMQ, pushes over HTTP to a sink that counts them",
    "blocksPerS: while blocks are evicted, by second of computing time of the process's threads together",
    frugal
      ? "rssMb: peak, with --max-semi-space-size=2, --heap-growing-percent=20 and MALLOC_ARENA_MAX=1"
      : "rssMb: peak, with the settings of Node and glibc as they are",
    "bytes and recheckedShare: of the paced spell, each pod at its own pace",
  ];
  const measured = { command: "collector", seed, startedAtMs, brokenInvariants: broken, notes, rows: [row] };
  await finishCommand(measured, json === true, () => [
    ...tableLines<readonly [string, number]>(
      [
        { title: "figure", value: ([name]) => name },
        { title: "value", value: ([, value]) => value.toFixed(Number.isInteger(value) ? 0 : 3) },
      ],
      Object.entries(row),
    ),
    "",
    ...notes,
  ]);
}

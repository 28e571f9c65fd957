import { Command } from "commander";
import { finishCommand } from "../report/finish-command.ts";
import { positiveNumber, wholeNumber } from "../report/option-values.ts";
import { fixed, tableLines } from "../report/table.ts";
import { withTemporaryFolder } from "../stack/temporary-folder.ts";
import { untilInterrupted } from "../stack/until-interrupted.ts";
import type { ProxyRow } from "./proxy-row.ts";
import { runProxy } from "./run-proxy.ts";

type ProxyCommandOptions = {
  readonly repeats: number;
  readonly seconds: number;
  readonly pods: number;
  readonly claims: number;
  readonly json?: true;
};

/** `scripts/bench proxy`: what Warmpath costs over a plain proxy, in the same run. */
export function proxyCommand(): Command {
  return new Command("proxy")
    .description("throughput and latency of Warmpath, of a plain Hono proxy and of no proxy, on one canned upstream")
    .option("--repeats <n>", "pairs of spells per row", wholeNumber(1), 5)
    .option("--seconds <s>", "length of a spell", positiveNumber, 3)
    .option("--pods <n>", "pods registered with Warmpath", wholeNumber(1), 100)
    .option("--claims <n>", "(segment, pod) pairs in the index", wholeNumber(0), 1_000_000)
    .option("--json", "print the result as one line of JSON")
    .action(proxy);
}

async function proxy({ repeats, seconds, pods, claims, json }: ProxyCommandOptions): Promise<void> {
  const startedAtMs = Date.now();
  const result = await untilInterrupted((signal) =>
    withTemporaryFolder((folder) => runProxy({ repeats, seconds, pods, claims, folder, signal })),
  );
  const { rows, broken } = result;
  const notes = [
    `warmpath: key check, Qwen3's chat template, policy warmpath, ${pods} pods, ${result.claims} claims, checkpoints on`,
    "plain: Hono, body piped through an IdentityTransformStream, in a workerd of its own",
    "streams: 20 events and [DONE], each written by itself",
    "p50Ms, p99Ms: from the first byte sent to the last one received; client, upstream and proxy share the machine",
    "throughputRatio: median over the repeats of warmpath by plain, run one after the other",
  ];
  const measured = { command: "proxy", seed: 0, startedAtMs, brokenInvariants: broken, notes, rows };
  await finishCommand(measured, json === true, () => [...proxyTable(rows), "", ...notes]);
}

function proxyTable(rows: readonly ProxyRow[]): string[] {
  return tableLines(
    [
      { title: "body KB", value: ({ bodyKb }) => bodyKb },
      { title: "messages", value: ({ messages }) => messages },
      { title: "at once", value: ({ concurrency }) => concurrency },
      { title: "answer", value: ({ stream }) => (stream ? "stream" : "whole") },
      { title: "direct rps", value: ({ direct }) => fixed(direct.rps) },
      { title: "plain rps", value: ({ plain }) => fixed(plain.rps) },
      { title: "warmpath rps", value: ({ warmpath }) => fixed(warmpath.rps) },
      { title: "ratio", value: ({ throughputRatio }) => fixed(throughputRatio, 2) },
      { title: "+/-", value: ({ ratioHalfRange }) => fixed(ratioHalfRange, 2) },
      { title: "plain p50 ms", value: ({ plain }) => fixed(plain.p50Ms, 2) },
      { title: "warmpath p50 ms", value: ({ warmpath }) => fixed(warmpath.p50Ms, 2) },
      { title: "added ms", value: ({ addedP50Ms }) => fixed(addedP50Ms, 2) },
      { title: "p99 ms", value: ({ warmpath }) => fixed(warmpath.p99Ms, 2) },
    ],
    rows,
  );
}

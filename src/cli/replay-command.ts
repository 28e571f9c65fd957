import { readFile } from "node:fs/promises";
import { Command, InvalidArgumentError } from "commander";
import { recordedLines } from "./decisions-command.ts";
import { edgeOption } from "./edge-admin.ts";
import { readDecisionLog } from "./recorded-log.ts";
import { largestChanges, replayLines, replayRow } from "./replay-report.ts";
import { replayLog } from "./replayed-log.ts";
import { type ReplayedPolicy, replayedPolicies } from "./replayed-policy.ts";

type ReplayOptions = {
  readonly policy: readonly ReplayedPolicy[];
  readonly show: number;
  readonly edge: string;
  readonly fromEdge?: true;
  readonly model?: string;
  readonly json?: true;
};

/** `warmpath replay`: what other policies would have chosen. */
export function replayCommand(): Command {
  return new Command("replay")
    .description("decide recorded requests again under other policies, each with the pods as they were then")
    .argument("[log]", "a file of recorded decisions, as `warmpath decisions` prints it")
    .requiredOption(
      "--policy <names>",
      'policies separated by commas, a blend "a:2,b:1", or NAME={"parameter":1}; can be given several times',
      takePolicies,
    )
    .option("--show <n>", "print the decisions that changed most, so many", takeCount, 0)
    .option("--from-edge", "instead of a file, ask the edge for them; WARMPATH_ADMIN_KEY lets you")
    .addOption(edgeOption)
    .option("--model <name>", "the model, with --from-edge")
    .option("--json", "print the figures as JSON")
    .action(async (file: string | undefined, options: ReplayOptions, command: Command) => {
      try {
        console.log((await report(file, options)).join("\n"));
      } catch (error) {
        command.error(error instanceof Error ? error.message : String(error));
      }
    });
}

async function report(file: string | undefined, options: ReplayOptions): Promise<string[]> {
  const log = readDecisionLog(await logText(file, options));
  if (log.length === 0) throw new Error("there is no decision in it; docs/explain.md tells how to record some");
  const logs = replayLog(log, options.policy);
  if (options.json !== true) return replayLines(logs, options.show);
  const changes = largestChanges(logs, options.show).map(({ decision, chosen, policy, ttftMs, recordedTtftMs }) => {
    const podAt = (index: number) => decision.candidates[index]?.id;
    const pods = { recordedPod: podAt(decision.chosen), pod: podAt(chosen) };
    return { lease: decision.lease, atMs: decision.atMs, policy, ...pods, recordedTtftMs, ttftMs };
  });
  return [JSON.stringify({ decisions: log.length, rows: logs.map(replayRow), changes }, undefined, 2)];
}

function logText(file: string | undefined, { fromEdge, edge, model }: ReplayOptions): Promise<string> {
  if (fromEdge !== true) {
    if (file === undefined) throw new Error("name a file, or ask the edge with --from-edge");
    return readFile(file, "utf8");
  }
  if (model === undefined) throw new Error("name the --model whose decisions are wanted");
  return recordedLines({ edge, model, limit: "100000" });
}

function takePolicies(text: string, before: readonly ReplayedPolicy[] = []): readonly ReplayedPolicy[] {
  try {
    return [...before, ...replayedPolicies(text)];
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function takeCount(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("must be a whole number");
  return Number(text);
}

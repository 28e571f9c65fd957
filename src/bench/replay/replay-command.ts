import path from "node:path";
import { Command, Option } from "commander";
import { policyNames } from "../../routing/policies/registry.ts";
import { loadQwenTokenizer } from "../../sim/engine/qwen-tokenizer.ts";
import { finishCommand } from "../report/finish-command.ts";
import { names, positiveNumber, share, wholeNumber } from "../report/option-values.ts";
import { progress } from "../report/progress.ts";
import { percent } from "../report/table.ts";
import { buildStackBundle } from "../stack/stack.ts";
import { withTemporaryFolder } from "../stack/temporary-folder.ts";
import { untilInterrupted } from "../stack/until-interrupted.ts";
import { engineKvTokens } from "./cache-size.ts";
import { POLICY_ROW_NOTES } from "./policy-row.ts";
import { policyTable } from "./policy-table.ts";
import { ARRIVALS, planReplay } from "./replay-plan.ts";
import { runReplay } from "./run-replay.ts";

const BLOCK_TOKENS = 16;
/** Longest context of a Qwen3-8B as commonly served. */
const USUAL_MODEL_LEN = 40_960;

type ReplayCommandOptions = {
  readonly trace: string;
  readonly policy: readonly string[];
  readonly pods: number;
  readonly sessions: number;
  readonly cacheShare: number;
  readonly timeScale: number;
  readonly requests?: number;
  readonly events: "on" | "off";
  readonly queue: "on" | "off";
  readonly arrivals: (typeof ARRIVALS)[number];
  readonly rate: number;
  readonly abortShare: number;
  readonly mostTokens: number;
  readonly seed: number;
  readonly json?: true;
};

/** `scripts/bench replay`: a trace on a live stack of simulated engines, under one policy after another. */
export function replayCommand(): Command {
  return new Command("replay")
    .description("play a trace on a live stack of simulated engines: hit share, TTFT and load truth per policy")
    .requiredOption("--trace <file>", "JSON lines, gzip'd or not; the format is told by its fields")
    .option("--policy <names>", "policies, separated by commas, or all", policies, ["warmpath", "round-robin"])
    .option("--pods <n>", "simulated engines", wholeNumber(1), 4)
    .option("--sessions <n>", "sessions at a time", wholeNumber(1), 16)
    .option(
      "--cache-share <share>",
      "KV caches of all engines together, as a share of the trace's working set",
      positiveNumber,
      0.25,
    )
    .option("--time-scale <x>", "simulated time runs x times faster than the clock", positiveNumber, 4)
    .option("--requests <n>", "requests to play (default: by format, for a run of a few minutes)", wholeNumber(1))
    .addOption(new Option("--events <on|off>", "KV events of the engines").choices(["on", "off"]).default("on"))
    .addOption(new Option("--queue <on|off>", "the router's queue").choices(["on", "off"]).default("on"))
    .addOption(new Option("--arrivals <kind>", "how requests arrive").choices(ARRIVALS).default("sessions"))
    .option("--rate <perS>", "arrivals a second of simulated time, for --arrivals poisson", positiveNumber, 4)
    .option("--abort-share <share>", "share of requests whose client leaves early, by FIN or RST", share, 0)
    .option("--most-tokens <n>", "recorded sessions end before a request longer than this", wholeNumber(1), 120_000)
    .option("--seed <n>", "seed of session order, arrivals, aborts and engines", wholeNumber(0), 1)
    .option("--json", "print the result as one line of JSON")
    .action(replay);
}

async function replay(options: ReplayCommandOptions): Promise<void> {
  const startedAtMs = Date.now();
  const { timeScale, seed, pods, cacheShare, abortShare } = options;
  const tokenizer = loadQwenTokenizer();
  const plan = await planReplay({
    file: options.trace,
    requests: options.requests,
    arrivals: options.arrivals,
    sessionsAtOnce: options.sessions,
    ratePerS: options.rate,
    timeScale,
    mostTokens: options.mostTokens,
    seed,
    blockTokens: BLOCK_TOKENS,
    encode: (text) => tokenizer.encode(text),
  });
  const { demand } = plan;
  const kvTokens = engineKvTokens(demand, cacheShare, pods, BLOCK_TOKENS);
  const cacheNote =
    `${demand.calls} requests of ${plan.format} format, ${demand.promptTokens} prompt tokens, ceiling ` +
    `${percent(demand.ceilingHitShare)}; working set ${demand.workingSetTokens} tokens, cache of each engine ` +
    `${kvTokens} (${percent(kvTokens / demand.workingSetTokens)}), of all ${pods} together ${pods * kvTokens} ` +
    `(${percent((pods * kvTokens) / demand.workingSetTokens)})`;
  progress(cacheNote);
  const { rows, broken } = await untilInterrupted((signal) =>
    withTemporaryFolder(async (folder) =>
      runReplay({
        bundle: await buildStackBundle(folder),
        plan,
        trace: path.basename(options.trace),
        policies: options.policy,
        pods,
        kvTokens,
        maxModelLen: Math.max(USUAL_MODEL_LEN, demand.longestTokens + BLOCK_TOKENS),
        timeScale,
        kvEvents: options.events === "on",
        queue: options.queue === "on",
        abortShare,
        seed,
        signal,
      }),
    ),
  );
  const notes = [cacheNote, ...POLICY_ROW_NOTES];
  const measured = { command: "replay", seed, startedAtMs, brokenInvariants: broken, notes, rows };
  await finishCommand(measured, options.json === true, () => policyTable(rows));
}

function policies(text: string): string[] {
  return text === "all" ? policyNames() : names(text);
}

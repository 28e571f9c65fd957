import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import type { Bundle } from "../../selfhost/bundle.ts";
import { loadQwenTokenizer } from "../../sim/engine/qwen-tokenizer.ts";
import { engineKvTokens } from "../replay/cache-size.ts";
import { planReplay, type ReplayPlan } from "../replay/replay-plan.ts";
import { quarters } from "../replay/run-replay.ts";
import { finishCommand } from "../report/finish-command.ts";
import { names, positiveNumber, share, wholeNumber } from "../report/option-values.ts";
import { progress } from "../report/progress.ts";
import { percent, tableLines } from "../report/table.ts";
import { buildStackBundle } from "../stack/stack.ts";
import { withTemporaryFolder } from "../stack/temporary-folder.ts";
import { untilInterrupted } from "../stack/until-interrupted.ts";
import { EXACT_COLUMNS, type ExactRow } from "./exact-row.ts";
import { BLOCK_TOKENS, type ExactRun, type ExactRunOptions, runExact, SEGMENT_BYTES } from "./exact-run.ts";
import { FAULTS, type Fault, runFault } from "./fault-run.ts";
import { hitErrors } from "./hit-errors.ts";

const TRACES = fileURLToPath(new URL("../../../../shared/traces/", import.meta.url));
const DEFAULT_TRACES = ["toolchat_text_a.jsonl.gz", "agent_text_a.jsonl.gz"].map((file) => path.join(TRACES, file));
const USUAL_MODEL_LEN = 40_960;

type ExactCommandOptions = {
  readonly trace: readonly string[];
  readonly faults?: true | readonly Fault[];
  readonly bufferSteps: number;
  readonly hybrid: string;
  readonly pods: number;
  readonly sessions: number;
  readonly thinkMs: number;
  readonly cacheShare: number;
  readonly timeScale: number;
  readonly noncanonicalShare: number;
  readonly requests?: number;
  readonly seed: number;
  readonly json?: true;
};

/** `scripts/bench exact`: predicted against reported cache hits, and claims against the engines' own blocks. */
export function exactCommand(): Command {
  return new Command("exact")
    .description("hold predicted cache hits and the prefix index against what the engines have")
    .option("--trace <files>", "traces with texts, separated by commas", names, DEFAULT_TRACES)
    .option("--faults [names]", `disturb the run in place of comparing modes: ${FAULTS.join(", ")}`, faultNames)
    .option("--buffer-steps <n>", "batches that an engine keeps for replay", wholeNumber(0), 10_000)
    .addOption(new Option("--hybrid <kind>", "cache groups of the engines").choices(["off", "window"]).default("off"))
    .option("--pods <n>", "simulated engines", wholeNumber(1), 4)
    .option("--sessions <n>", "sessions at a time", wholeNumber(1), 8)
    .option("--think-ms <ms>", "pause of a session after each answer, wall time", wholeNumber(0), 400)
    .option("--cache-share <share>", "KV caches of all engines, as a share of the working set", positiveNumber, 0.25)
    .option("--time-scale <x>", "simulated time runs x times faster than the clock", positiveNumber, 4)
    .option("--noncanonical-share <share>", "share of answers in other tokens than the tokenizer's", share, 0.05)
    .option("--requests <n>", "requests of each trace to play (default: by format)", wholeNumber(1))
    .option("--seed <n>", "seed of session order and engines", wholeNumber(0), 1)
    .option("--json", "print the result as one line of JSON")
    .action(exact);
}

function faultNames(text: string): Fault[] {
  return names(text).map((name) => {
    const fault = FAULTS.find((one) => one === name);
    if (fault === undefined) throw new InvalidArgumentError(`must be of ${FAULTS.join(", ")}`);
    return fault;
  });
}

async function exact(options: ExactCommandOptions): Promise<void> {
  const startedAtMs = Date.now();
  const { seed, faults } = options;
  const missing = options.trace.filter((file) => !existsSync(file));
  if (missing.length > 0) throw new Error(`no such trace: ${missing.join(", ")}; name others with --trace`);
  const rows: ExactRow[] = [];
  const broken: string[] = [];
  const notes: string[] = [];
  await untilInterrupted((signal) =>
    withTemporaryFolder(async (folder) => {
      const bundle = await buildStackBundle(folder);
      for (const file of options.trace) {
        const prepared = await prepare(file, options, bundle, signal);
        notes.push(prepared.note);
        progress(prepared.note);
        const measure = faults ? measureFaults : measureModes;
        await measure(prepared, options, rows, broken);
      }
    }),
  );
  const measured = { command: "exact", seed, startedAtMs, brokenInvariants: broken, notes, rows };
  await finishCommand(measured, options.json === true, () => tableLines(EXACT_COLUMNS, rows));
}

type Prepared = {
  readonly trace: string;
  readonly plan: ReplayPlan;
  readonly note: string;
  readonly run: Omit<ExactRunOptions, "events" | "recheck" | "onCall">;
};

async function prepare(
  file: string,
  options: ExactCommandOptions,
  bundle: Bundle,
  signal: AbortSignal,
): Promise<Prepared> {
  const { pods, sessions, thinkMs, cacheShare, timeScale, noncanonicalShare, bufferSteps, hybrid, seed } = options;
  const tokenizer = loadQwenTokenizer();
  const planned = await planReplay({
    file,
    requests: options.requests,
    arrivals: "sessions",
    sessionsAtOnce: sessions,
    ratePerS: 1,
    timeScale,
    mostTokens: 120_000,
    seed,
    blockTokens: BLOCK_TOKENS,
    encode: (text) => tokenizer.encode(text),
  });
  const plan: ReplayPlan = { ...planned, drive: { kind: "closed", sessionsAtOnce: sessions, thinkMs } };
  const { demand } = plan;
  const kvTokens = engineKvTokens(demand, cacheShare, pods, BLOCK_TOKENS);
  const maxModelLen = Math.max(USUAL_MODEL_LEN, demand.longestTokens + BLOCK_TOKENS);
  const trace = path.basename(file);
  const note =
    `${trace}: ${demand.calls} requests, ceiling ${percent(demand.ceilingHitShare)}; cache of each of ${pods} engines ` +
    `${kvTokens} tokens (${percent(kvTokens / demand.workingSetTokens)} of the working set)`;
  const run = { bundle, plan, pods, kvTokens, maxModelLen, timeScale, noncanonicalShare, bufferSteps, hybrid, seed };
  return { trace, plan, note, run: { ...run, signal } };
}

async function measureModes(
  { trace, plan, run }: Prepared,
  { bufferSteps, hybrid }: ExactCommandOptions,
  rows: ExactRow[],
  broken: string[],
): Promise<void> {
  for (const [events, recheck] of [
    ["on", "on"],
    ["on", "off"],
    ["off", "off"],
  ] as const) {
    const name = `${trace}, events ${events}, recheck ${recheck}`;
    progress(`${name}: starting the stack ...`);
    const report = quarters(plan.demand.calls, (done) => progress(`${name}: ${done} of ${plan.demand.calls} requests`));
    let halfway: Promise<number> | undefined;
    const result = await runExact({
      ...run,
      events,
      recheck,
      onCall: (done, { audit }) => {
        report(done);
        if (events === "on" && done >= plan.demand.calls / 2) halfway ??= audit().then((found) => found.falseClaims);
      },
    });
    const falseClaimsNow = (await halfway) ?? null;
    const row = exactRow(result, { trace, events, recheck, faults: "none", bufferSteps, hybrid, falseClaimsNow });
    rows.push(row);
    broken.push(...result.broken.map((line) => `${name}: ${line}`), ...falseClaimsOf(name, row));
  }
}

async function measureFaults(
  { trace, plan, run }: Prepared,
  { bufferSteps, hybrid, faults }: ExactCommandOptions,
  rows: ExactRow[],
  broken: string[],
): Promise<void> {
  progress(`${trace}, undisturbed: starting the stack ...`);
  const undisturbed = await runExact({ ...run, events: "on", recheck: "on", onCall: () => undefined });
  for (const fault of faults === true || faults === undefined ? FAULTS : faults) {
    const name = `${trace}, ${fault}`;
    progress(`${name}: starting the stack ...`);
    const report = quarters(plan.demand.calls, (done) => progress(`${name}: ${done} of ${plan.demand.calls} requests`));
    const result = await runFault(fault, { ...run, events: "on", recheck: "on", onCall: report }, undisturbed.played);
    const { falseClaimsNow, recoveryMs, hitShareRegained } = result;
    const about = { trace, events: "on", recheck: "on", faults: fault, bufferSteps, hybrid } as const;
    const row = { ...exactRow(result, { ...about, falseClaimsNow }), recoveryMs, hitShareRegained };
    rows.push(row);
    broken.push(...result.broken.map((line) => `${name}: ${line}`), ...falseClaimsOf(name, row));
  }
}

type About = Pick<ExactRow, "trace" | "events" | "recheck" | "faults" | "bufferSteps" | "hybrid" | "falseClaimsNow">;

function exactRow({ played, finalAudit }: ExactRun, about: About): ExactRow {
  return {
    ...about,
    ...hitErrors(played, SEGMENT_BYTES, BLOCK_TOKENS),
    claims: finalAudit?.claims ?? 0,
    falseClaimsAfter: finalAudit?.falseClaims ?? null,
    unclaimedAfter: finalAudit?.unclaimed ?? null,
    recoveryMs: null,
    hitShareRegained: null,
  };
}

function falseClaimsOf(name: string, { falseClaimsAfter, failed, faults }: ExactRow): string[] {
  const broken: string[] = [];
  if (falseClaimsAfter !== null && falseClaimsAfter > 0)
    broken.push(`${name}: ${falseClaimsAfter} false claims remain`);
  if (failed > 0 && faults === "none") broken.push(`${name}: ${failed} requests failed`);
  return broken;
}

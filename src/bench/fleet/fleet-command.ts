import { Command, InvalidArgumentError, Option } from "commander";
import { type EngineProfileName, engineProfiles } from "../../sim/engine/step-time.ts";
import type { FleetProfileName } from "../../sim/fleet/fleet-setup.ts";
import { INDEX_KINDS, type IndexKind } from "../../sim/fleet/index-kind.ts";
import { SCENARIOS } from "../../sim/fleet/scenarios.ts";
import { finishCommand } from "../report/finish-command.ts";
import { names, positiveNumber, wholeNumber } from "../report/option-values.ts";
import { writeDocument } from "./fleet-document.ts";
import { fleetPlan } from "./fleet-plan.ts";
import { type AskedPolicy, askedPolicies } from "./fleet-policies.ts";
import { FLEET_QUEUES, type FleetQueue } from "./fleet-queue.ts";
import { fleetTables } from "./fleet-table.ts";
import { runFleet } from "./run-fleet.ts";

type FleetCommandOptions = {
  readonly profile: FleetProfileName;
  readonly engine: EngineProfileName;
  readonly trace?: readonly string[];
  readonly pods: readonly number[];
  readonly load?: readonly number[];
  readonly sessionsPerPod?: readonly number[];
  readonly policy: readonly AskedPolicy[];
  readonly queue: readonly FleetQueue[];
  readonly deadline?: number;
  readonly vs?: string;
  readonly seeds: number;
  readonly seed: number;
  readonly scenario: readonly string[];
  readonly cacheScale: number;
  readonly kvTokens?: number;
  readonly scrape?: number;
  readonly eventDelay?: number;
  readonly index: IndexKind;
  readonly horizon: number;
  readonly think?: number;
  readonly once?: true;
  readonly mostTokens: number;
  readonly document?: string;
  readonly json?: true;
};

const USUAL_POLICIES = askedPolicies("least-request,prefix-cache,warmpath,omniscient,pooled");

const NOTES: readonly string[] = [
  "simulated time: ttftS from a request's arrival at the router to its first token, queueing included",
  "the first 20 % of a run's arrivals are played and not counted; goodShare: TTFT <= 2 s and TPOT <= 50 ms",
  "load: cold prefill time of all prompts by the pods' time; omniscient, pooled and est-ttft exist in the simulator only",
  "queue: off, requests are sent however busy the pods are; on, they wait in the router without end; refusing, as in production",
  "a refused request counts as not good, and with the length of the run as its time to first token",
  "pairedDiff: same arrivals, seed by seed, 95 % interval by Student's t",
];

/** `scripts/bench fleet`: routing policies on simulated fleets. */
export function fleetCommand(): Command {
  return new Command("fleet")
    .description("routing policies on simulated fleets, through the production routing core: TTFT, hits, goodput")
    .addOption(new Option("--profile <name>", "engine model").choices(["reference", "fine"]).default("reference"))
    .addOption(
      new Option("--engine <name>", "model and GPU").choices(Object.keys(engineProfiles)).default("llama-3.1-8b-h100"),
    )
    .option("--trace <files>", "trace files, separated by commas (default: made-up sessions)", names)
    .option("--pods <n,...>", "fleet sizes", listOf(wholeNumber(1)), [8])
    .option("--load <x,...>", "open loop: cold prefill work as a share of the fleet's time", listOf(positiveNumber))
    .option("--sessions-per-pod <k,...>", "closed loop: sessions at a time for each pod", listOf(positiveNumber))
    .option(
      "--policy <names>",
      "policies, and bounds: omniscient, pooled, est-ttft; a blend or a policy with parameters in a --policy of its own: " +
        `prefix-cache:2,least-request:1 or 'chwbl {"loadFactor":1.5}'`,
      moreOf(USUAL_POLICIES, askedPolicies),
      USUAL_POLICIES,
    )
    .option(
      "--vs <policy>",
      "what the others are compared with (default: the first policy), and of its queues the first",
    )
    .option("--queue <kinds>", `${FLEET_QUEUES.join(", ")}: whether requests wait in the router for a pod`, queues, [
      "off",
    ])
    .option("--deadline <s>", "time to first token beyond which a queue that is refusing gives up", positiveNumber)
    .option("--seeds <k>", "runs of each cell", wholeNumber(1), 3)
    .option("--seed <n>", "first seed", wholeNumber(0), 1)
    .option(
      "--scenario <names>",
      SCENARIOS.map(({ name, description }) => `${name}: ${description}`).join("; "),
      names,
      ["steady"],
    )
    .option("--cache-scale <x>", "KV cache of a pod, as a multiple of the engine's", positiveNumber, 1)
    .option("--kv-tokens <n>", "KV cache of a pod in tokens, in place of --cache-scale", wholeNumber(1))
    .option("--scrape <ms>", "time between two looks at an engine's gauges (default: the profile's)", positiveNumber)
    .option("--event-delay <ms>", "until cache events are known (default: the profile's)", positiveNumber)
    .addOption(
      new Option(
        "--index <kind>",
        "what policies know of caches; events: all changes; sent: what was sent where, as far as caches keep it; " +
          "all-sent: what was sent where, for good, as routers with a tree of their own",
      )
        .choices(INDEX_KINDS)
        .default("events"),
    )
    .option("--horizon <s>", "closed loop: simulated seconds", positiveNumber, 1_500)
    .option("--think <s>", "closed loop: pause before each call, in place of the trace's own", positiveNumber)
    .option("--once", "closed loop: each session once, all of them from the start, and every call counts")
    .option("--most-tokens <n>", "recorded sessions end before a call longer than this", wholeNumber(1), 120_000)
    .option("--document <file>", "also put tables and plots into this Markdown file, between its two marks")
    .option("--json", "print the result as one line of JSON")
    .action(fleet);
}

async function fleet(options: FleetCommandOptions): Promise<void> {
  const startedAtMs = Date.now();
  const plan = await fleetPlan({
    ...options,
    trace: options.trace ?? [undefined],
    scrapeMs: options.scrape,
    eventDelayMs: options.eventDelay,
    horizonMs: 1_000 * options.horizon,
    thinkMs: options.think === undefined ? undefined : 1_000 * options.think,
    deadlineMs: options.deadline === undefined ? undefined : 1_000 * options.deadline,
  });
  const rows = await runFleet(plan, options.vs ?? options.policy[0]?.policy);
  if (options.document !== undefined) await writeDocument(options.document, rows);
  const brokenInvariants = rows.filter(({ failed }) => failed > 0).map(lostRequests);
  const measured = { command: "fleet", seed: options.seed, startedAtMs, brokenInvariants, notes: NOTES, rows };
  await finishCommand(measured, options.json === true, () => fleetTables(rows));
}

function lostRequests({ policy, failed, scenario }: { policy: string; failed: number; scenario: string }): string {
  return `${policy}, ${scenario}: ${failed} answers began and never ended`;
}

/** Reads an option that may be given several times: the values of all, in place of the usual ones. */
function moreOf<Value>(usual: readonly Value[], read: (text: string) => readonly Value[]) {
  return (text: string, before: readonly Value[]): readonly Value[] =>
    before === usual ? read(text) : [...before, ...read(text)];
}

function queues(text: string): FleetQueue[] {
  return names(text).map((name) => {
    const queue = FLEET_QUEUES.find((each) => each === name);
    if (queue === undefined) throw new InvalidArgumentError(`must be of ${FLEET_QUEUES.join(", ")}`);
    return queue;
  });
}

/** Reads an option as a list of values separated by commas. */
function listOf(read: (text: string) => number): (text: string) => number[] {
  return (text) => {
    const values = text.split(",").map(read);
    if (values.length === 0) throw new InvalidArgumentError("must be values separated by commas");
    return values;
  };
}

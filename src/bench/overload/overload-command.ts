import { Command } from "commander";
import { finishCommand } from "../report/finish-command.ts";
import { positiveNumber, wholeNumber } from "../report/option-values.ts";
import { fixed, percent, tableLines } from "../report/table.ts";
import { buildStackBundle } from "../stack/stack.ts";
import { withTemporaryFolder } from "../stack/temporary-folder.ts";
import { untilInterrupted } from "../stack/until-interrupted.ts";
import { missedGoals, type OverloadRow, type Percentiles } from "./overload-row.ts";
import { runOverload } from "./run-overload.ts";

type OverloadCommandOptions = {
  readonly seconds: number;
  readonly factor: number;
  readonly engines: number;
  readonly seed: number;
  readonly json?: true;
};

/** `scripts/bench overload`: what clients see of a fleet that is asked for more than it can serve. */
export function overloadCommand(): Command {
  return new Command("overload")
    .description("offer a live stack more than it can serve: who is refused, who is told what, and who starves")
    .option("--seconds <s>", "of overload", positiveNumber, 120)
    .option("--factor <x>", "offered load, by what the fleet can serve", positiveNumber, 2)
    .option("--engines <n>", "simulated engines", wholeNumber(1), 5)
    .option("--seed <n>", "seed of arrivals, prompts and engines", wholeNumber(0), 1)
    .option("--json", "print the result as one line of JSON")
    .action(overload);
}

async function overload({ json, seed, ...shape }: OverloadCommandOptions): Promise<void> {
  const startedAtMs = Date.now();
  const row = await untilInterrupted((signal) =>
    withTemporaryFolder(async (folder) =>
      runOverload({ bundle: await buildStackBundle(folder), ...shape, seed, signal }),
    ),
  );
  const notes = [
    "capacity: answers a second while twice as many clients as can run send one request after the other",
    "a refused client comes back once, after exactly its Retry-After; each request's prompt is its own",
    "the light key sends 4 % of capacity; alone, it has two requests at a time in the fleet",
  ];
  const measured = {
    command: "overload",
    seed,
    startedAtMs,
    brokenInvariants: missedGoals(row),
    notes,
    rows: [row],
  };
  await finishCommand(measured, json === true, () => [...overloadTable(row), "", ...notes]);
}

function overloadTable(row: OverloadRow): string[] {
  const { retryAfterS, refusalMs, lightIdle, light, heavy } = row;
  const lines: readonly (readonly [string, string, string?])[] = [
    ["offered a second, capacity", `${fixed(row.offeredPerS, 2)}, ${fixed(row.capacityPerS, 2)}`],
    ["served a second, share of capacity", `${fixed(row.servedPerS, 2)}, ${percent(row.capacityShare)}`],
    ["requests, retries included", `${row.requests}`],
    ["neither answered nor told when to come back", `${row.failed}`, "0"],
    [`past their deadline of ${row.deadlineMs / 1_000} s`, `${row.pastDeadline}`, "0"],
    ["first refusals, of them at once", `${row.refusedFirst}, ${percent(row.refusedAtOnceShare)}`],
    ["time to a refusal", inMs(refusalMs)],
    ["Retry-After p50, p90, max", `${fixed(retryAfterS.p50)}, ${fixed(retryAfterS.p90)}, ${retryAfterS.max} s`],
    ["retries, of them served", `${row.retries}, ${percent(row.retriesServedShare)}`, "90 %"],
    ["  that came in the overload", `${row.retriesInOverload}, ${percent(row.retriesInOverloadServedShare)}`, "90 %"],
    ["  that waited in vain", `${row.retriesWaitedInVain}`],
    [`light key alone (${lightIdle.requests}): TTFT`, inMs(lightIdle.ttftMs)],
    ["  answer", inMs(lightIdle.answerMs)],
    [`light key in the overload (${light.requests}): TTFT`, inMs(light.ttftMs)],
    ["  of it until it had a pod", inMs(light.routeMs)],
    ["  answer", inMs(light.answerMs)],
    ["  refused", `${row.lightRefused}`, "0"],
    ["light key's p99 by its idle one: TTFT", fixed(row.lightTtftRatio, 2), "2"],
    ["  answer", fixed(row.lightAnswerRatio, 2), "2"],
    [`heavy key (${heavy.requests}): TTFT`, inMs(heavy.ttftMs)],
    ["  answer", inMs(heavy.answerMs)],
    ["leases left, in flight in engines", `${row.leakedLeases}, ${row.inFlight}`, "0, 0"],
  ];
  return tableLines(
    [
      { title: "", value: ([what]) => what },
      { title: "measured", value: ([, figure]) => figure },
      { title: "goal", value: ([, , goal]) => goal ?? "" },
    ],
    lines,
  );
}

function inMs({ p50, p99 }: Percentiles): string {
  return `p50 ${fixed(p50)}, p99 ${fixed(p99)} ms`;
}

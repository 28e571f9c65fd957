import { describe, expect, it } from "vitest";
import type { CallOutcome } from "../../../src/bench/load/call-outcome.ts";
import { missedGoals, type OverloadRow, overloadRow } from "../../../src/bench/overload/overload-row.ts";
import type { Sending } from "../../../src/bench/overload/tenant-clients.ts";

const SERVED: CallOutcome = {
  kind: "completed",
  problem: undefined,
  status: 200,
  headers: {},
  firstByteMs: 100,
  ttftMs: 100,
  endMs: 1_000,
  text: "all of it",
  usage: undefined,
};
const served = (change: Partial<Sending> = {}, outcome: Partial<CallOutcome> = {}): Sending => ({
  tenant: "heavy",
  attempt: 1,
  atMs: 0,
  retryAfterS: undefined,
  outcome: { ...SERVED, ...outcome },
  ...change,
});
const refused = (change: Partial<Sending> = {}, endMs = 5): Sending =>
  served({ retryAfterS: 7, ...change }, { kind: "failed", status: 429, ttftMs: undefined, endMs });

const fleet = { engines: 5, running: 4, capacityPerS: 2, factor: 2 };
const nothingLeft = { openLeases: 0, inFlight: 0, engines: [] };
const idle = [served({ tenant: "light" })];

function row(sendings: readonly Sending[], change: { idle?: Sending[]; openLeases?: number } = {}): OverloadRow {
  const overload = { sendings, startedMs: 0, seconds: 10, deadlineMs: 5_000 };
  const truth = { ...nothingLeft, openLeases: change.openLeases ?? 0 };
  return overloadRow(fleet, change.idle ?? idle, overload, truth, []);
}
const wellServed = [served(), served({ tenant: "light" }), refused(), served({ attempt: 2, atMs: 7_000 })];

describe("a row of bench overload", () => {
  it("counts as offered what came for the first time, as served what ended while load was offered", () => {
    const { offeredPerS, servedPerS, capacityShare } = row([...wellServed, served({ attempt: 2, atMs: 9_500 })]);
    expect([offeredPerS, servedPerS, capacityShare]).toEqual([0.3, 0.3, 0.15]);
  });

  it("tells retries that came in the overload from those that came after it", () => {
    const figures = row([
      refused({ attempt: 2, atMs: 3_000 }),
      served({ attempt: 2, atMs: 9_999 }),
      served({ attempt: 2, atMs: 10_001 }),
    ]);
    expect(figures).toMatchObject({ retries: 3, retriesServedShare: 0.667, retriesInOverload: 2 });
    expect(figures.retriesInOverloadServedShare).toBe(0.5);
  });

  it("tells refusals at once from those after a wait", () => {
    const figures = row([refused(), refused({ retryAfterS: 9 }, 4_900), refused({ attempt: 2 }, 4_900)]);
    expect(figures).toMatchObject({ refusedFirst: 2, refusedAtOnceShare: 0.5, retriesWaitedInVain: 1 });
    expect(figures.retryAfterS).toEqual({ p50: 8, p90: 8.8, max: 9 });
  });

  it("compares the light key's p99 with its own alone", () => {
    const slow = served({ tenant: "light" }, { ttftMs: 150, endMs: 1_800 });
    expect(row([slow])).toMatchObject({ lightTtftRatio: 1.5, lightAnswerRatio: 1.8 });
  });
});

describe("the goals of bench overload", () => {
  it("are met by a fleet that serves what it can and keeps its word", () => {
    expect(missedGoals(row(wellServed))).toEqual([]);
  });

  it.each<readonly [string, readonly Sending[], RegExp]>([
    ["an answer that failed", [served({}, { kind: "failed", problem: "broken" })], /neither answered nor told/],
    ["a first token past the deadline", [served({}, { ttftMs: 5_001 })], /past their deadline/],
    ["a refusal past the deadline", [refused({}, 5_001)], /past their deadline/],
    ["retries that are refused again", [refused({ attempt: 2 })], /retries were served/],
    ["a light key that is refused", [refused({ tenant: "light" })], /light key were refused/],
    ["a light key that waits", [served({ tenant: "light" }, { ttftMs: 900 })], /p99 TTFT/],
    ["a light key whose answers are slow", [served({ tenant: "light" }, { endMs: 9_000 })], /p99 answer/],
  ])("are missed by %s", (_, sendings, line) => {
    expect(missedGoals(row([...wellServed, ...sendings])).join("\n")).toMatch(line);
  });

  it("are missed by a lease that stays", () => {
    expect(missedGoals(row(wellServed, { openLeases: 1 }))).toEqual(["1 leases are open after the last answer"]);
  });
});

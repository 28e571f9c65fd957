import { describe, expect, it } from "vitest";
import { chaosRow, verdictOf } from "../../../src/bench/chaos/chaos-row.ts";
import type { CallOutcome } from "../../../src/bench/load/call-outcome.ts";

const COMPLETED: CallOutcome = {
  kind: "completed",
  problem: undefined,
  status: 200,
  headers: {},
  firstByteMs: 1,
  ttftMs: 1,
  endMs: 2,
  text: "all of it",
  usage: undefined,
};
const NEEDLESS: CallOutcome = { ...COMPLETED, kind: "failed", status: 502, text: "", problem: "status 502" };
const BROKEN: CallOutcome = { ...COMPLETED, kind: "failed", text: "half of", problem: "upstream_failed" };
const UNANSWERED: CallOutcome = {
  ...COMPLETED,
  kind: "failed",
  status: undefined,
  text: "",
  problem: "no end after 9 ms",
};

describe("a row of bench chaos", () => {
  it.each([
    ["well", COMPLETED],
    ["well", { ...COMPLETED, kind: "aborted" as const }],
    ["needless", NEEDLESS],
    ["needless", { ...NEEDLESS, status: 200 }],
    ["broken", BROKEN],
    ["unanswered", UNANSWERED],
  ])("calls a request %s by how it ended", (verdict, outcome) => {
    expect(verdictOf(outcome)).toBe(verdict);
  });

  it("counts an injection as survived where nothing failed that others could have answered", () => {
    const calls = [
      { outcome: COMPLETED, round: 0 },
      { outcome: BROKEN, round: 0 },
      { outcome: NEEDLESS, round: 1 },
      { outcome: UNANSWERED, round: 1 },
      { outcome: COMPLETED, round: 2 },
    ];
    const row = chaosRow("engine_refuses", calls, [100, 300, 200], { leakedLeases: 0, falseClaims: 0 });
    expect(row).toMatchObject({
      injected: 3,
      survived: 2,
      unanswered: 1,
      needlessFailures: 1,
      brokenStreams: 1,
      requests: 5,
    });
    expect(row.recoveryMs).toEqual({ p50: 200, max: 300 });
  });
});

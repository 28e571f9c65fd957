import { describe, expect, it } from "vitest";
import type { CallOutcome } from "../../../src/bench/load/call-outcome.ts";
import { brokenInvariants, type LoadTruth } from "../../../src/bench/replay/load-truth.ts";
import type { PlayedCall } from "../../../src/bench/replay/play-policy.ts";

const played = (outcome: Partial<CallOutcome> = {}): PlayedCall => ({
  call: { prompt: () => ({ kind: "text", text: "" }), answer: { kind: "tokens", tokens: 1 }, arrivalMs: undefined },
  outcome: {
    kind: "completed",
    problem: undefined,
    status: 200,
    headers: { "x-warmpath-attempts": "1" },
    firstByteMs: 1,
    ttftMs: 1,
    endMs: 2,
    text: "",
    usage: { promptTokens: 10, completionTokens: 1, cachedTokens: 4 },
    ...outcome,
  },
});

const engine = {
  name: "engine-0",
  inFlight: 0,
  aborted: 0,
  finished: 2,
  firstTokens: 2,
  ttftSumMs: 20,
  ttftBuckets: [],
};
const truth = (over: Partial<LoadTruth> = {}): LoadTruth => ({
  openLeases: 0,
  inFlight: 0,
  engines: [{ ...engine, promptTokens: 20, cachedTokens: 8 }],
  ...over,
});

describe("brokenInvariants", () => {
  it("is empty where clients, router and engines agree", () => {
    expect(brokenInvariants("p", [played(), played()], truth(), [])).toEqual([]);
  });

  it("names failed requests with their problems", () => {
    const calls = [played(), played({ kind: "failed", problem: "status 502 (upstream_failed)" })];
    expect(brokenInvariants("p", calls, truth(), [])).toEqual([
      "p: 1 of 2 requests failed: status 502 (upstream_failed)",
    ]);
  });

  it("names leases and requests that stayed open, and processes that ended", () => {
    const broken = brokenInvariants("p", [played(), played()], truth({ openLeases: 2, inFlight: 1 }), ["edge ended"]);
    expect(broken).toEqual([
      "p: edge ended",
      "p: 2 leases are open after the last answer",
      "p: 1 requests are in flight in the engines after the last answer",
    ]);
  });

  it("holds the clients' usage to the engines' counts where every request ran once", () => {
    const engines = [{ ...engine, promptTokens: 20, cachedTokens: 12 }];
    expect(brokenInvariants("p", [played(), played()], truth({ engines }), [])).toEqual([
      "p: clients were told of 8 cachedTokens, the engines counted 12",
    ]);
    const moved = played({ headers: { "x-warmpath-attempts": "2" } });
    expect(brokenInvariants("p", [played(), moved], truth({ engines }), [])).toEqual([]);
  });
});

import { describe, expect, it } from "vitest";
import type { PlayedCall } from "../../../src/bench/replay/play-policy.ts";
import { policyRow } from "../../../src/bench/replay/policy-row.ts";

const call = (pod: string, ttftMs: number, routeMs: number, match: string): PlayedCall => ({
  call: { prompt: () => ({ kind: "text", text: "" }), answer: { kind: "tokens", tokens: 1 }, arrivalMs: undefined },
  outcome: {
    kind: "completed",
    problem: undefined,
    status: 200,
    headers: {
      "target-pod": `local/default/${pod}/8000`,
      "server-timing": `route;dur=${routeMs}`,
      "x-warmpath-match": match,
    },
    firstByteMs: 1,
    ttftMs,
    endMs: 50,
    text: "",
    usage: undefined,
  },
});

const engine = (name: string, promptTokens: number, cachedTokens: number, firstTokens: number, ttftSumMs: number) => ({
  name,
  promptTokens,
  cachedTokens,
  firstTokens,
  ttftSumMs,
  inFlight: 0,
  aborted: 0,
  finished: firstTokens,
  ttftBuckets: [
    { upTo: 10, count: 0 },
    { upTo: 20, count: firstTokens },
  ],
});

describe("policyRow", () => {
  const row = policyRow({
    policy: "warmpath",
    played: [call("engine-1", 10, 1, "0/100"), call("engine-1", 20, 2, "80/100"), call("engine-10", 30, 3, "0/100")],
    engines: [engine("engine-1", 200, 80, 2, 20), engine("engine-10", 100, 10, 1, 25)],
    openLeases: 0,
    demand: {
      calls: 3,
      promptTokens: 300,
      reusableTokens: 150,
      ceilingHitShare: 0.5,
      workingSetTokens: 200,
      longestTokens: 101,
    },
    timeScale: 4,
    durationS: 1,
  });

  it("takes the hit share and the mean from the engines, scaled to simulated time", () => {
    expect(row).toMatchObject({ hitShare: 0.3, ceilingHitShare: 0.5, ttftMs: { mean: 60, p50: 60, p99: 79.6 } });
  });

  it("takes percentiles, router time and prediction from the clients", () => {
    expect(row.clientTtftMs).toMatchObject({ mean: 80, p50: 80 });
    expect(row.routerMs.p50).toBe(2);
    expect(row.predictedHitShare).toBe(0.2667);
    expect(row.overheadMs).toBe(5);
  });

  it("parts the requests by pod, whole names only", () => {
    expect(row.podRows.map(({ pod, requests, hitShare }) => [pod, requests, hitShare])).toEqual([
      ["engine-1", 2, 0.4],
      ["engine-10", 1, 0.1],
    ]);
  });
});

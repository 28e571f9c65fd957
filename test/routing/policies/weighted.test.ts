import { describe, expect, it } from "vitest";
import type { Candidate, PolicyRequest } from "../../../src/routing/policy.ts";
import { newPolicyMemory } from "../../../src/routing/policy-memory.ts";
import { choices, context, fleet, named, place, request } from "./policy-fixtures.ts";

const ALONE = { prefix: 0, queue: 0, kv: 0 };

/** Scores of one scorer alone. */
function scores(
  scorer: string,
  pods: readonly Candidate[],
  asked: PolicyRequest = request,
  parameters: Record<string, number> = {},
): number[] {
  const policy = named("weighted", { ...ALONE, [scorer]: 1, ...parameters });
  const { terms } = policy.decide(asked, pods, context());
  return [...terms].filter((_, i) => i % 2 === 1).map((score) => Math.round(score * 1_000) / 1_000);
}

describe("weighted, with llm-d's scorers", () => {
  it("sums weight times score: prefix 3, queue 2, KV 2 by default", () => {
    const gauges = (waiting: number, kvUsage: number) => ({ gauges: { waiting, kvUsage } });
    const pods = fleet({ matchedSegments: 5, ...gauges(4, 0.5) }, gauges(0, 0.1));
    const { terms } = named("weighted").decide(request, pods, context());
    expect(named("weighted").columns).toEqual(["score", "prefix", "queue", "kv"]);
    expect([...terms]).toEqual([3 * 0.5 + 0 + 2 * 0.5, 0.5, 0, 0.5, 0 + 2 + 2 * 0.9, 0, 1, 0.9]);
  });

  it("scales queue and running between the candidates; all equal is 1, unknown counts as the worst", () => {
    const waiting = (count: number) => ({ gauges: { waiting: count, running: count } });
    expect(scores("queue", fleet(waiting(0), waiting(3), waiting(4), {}))).toEqual([1, 0.25, 0, 0]);
    expect(scores("running", fleet(waiting(2), waiting(2)))).toEqual([1, 1]);
    expect(scores("queue", fleet({}, {}))).toEqual([1, 1]);
  });

  it("scores the free share of the cache, and an unknown one as the fullest", () => {
    expect(scores("kv", fleet({ gauges: { kvUsage: 0.2 } }, { gauges: { kvUsage: 0.9 } }, {}))).toEqual([
      0.8, 0.1, 0.1,
    ]);
  });

  it("scores the matched share, or the square of the matched tokens", () => {
    const pods = fleet({ matchedSegments: 5, matchedTokens: 4_096 }, { matchedSegments: 10, matchedTokens: 9_000 });
    expect(scores("prefix", pods)).toEqual([0.5, 1]);
    expect(scores("prefix", pods, request, { prefixTokensShare: 1 })).toEqual([0.25, 1]);
  });

  it("scores the run of the precise index against the longest, host memory at 0.8", () => {
    const pods = fleet({ matchedSegments: 8 }, { matchedSegments: 5, hostSegments: 5 }, {});
    expect(scores("precisePrefix", pods)).toEqual([1, 0.5, 0]);
    expect(scores("precisePrefix", pods, request, { hostCredit: 0 })).toEqual([1, 0, 0]);
    expect(scores("precisePrefix", fleet({}, {}))).toEqual([0, 0]);
  });

  it("scores uncached tokens in flight against 128 prompts of 32 K", () => {
    expect(scores("tokenLoad", fleet({ backlogTokens: 1_048_576 }, {}, { backlogTokens: 9_000_000 }))).toEqual([
      0.75, 1, 0,
    ]);
  });

  it("scores adapters: active 1, a free place 0.8, waiting 0.6, none 0", () => {
    const pod = (runningAdapters: string[], waitingAdapters: string[], mostAdapters = 2) => ({
      gauges: { runningAdapters, waitingAdapters, mostAdapters },
    });
    const pods = fleet(pod(["sql"], []), pod(["x"], []), pod(["x", "y"], ["sql"]), pod(["x", "y"], []), {});
    expect(scores("loraAffinity", pods, { ...request, adapter: "sql" })).toEqual([1, 0.8, 0.6, 0, 0]);
  });

  it("sends prompts that nobody has around in turn, least recently placed first, and leaves warm ones alone", () => {
    const memory = newPolicyMemory();
    const policy = named("weighted", { ...ALONE, noHitLru: 1 });
    const pods = fleet({}, {}, {});
    const order = [1, 2, 3, 4, 5, 6].map((i) => place(policy, pods, memory, { nowMs: i, seed: i }));
    expect(new Set(order.slice(0, 3)).size).toBe(3);
    expect(order.slice(3)).toEqual(order.slice(0, 3));
    expect(scores("noHitLru", fleet({ matchedSegments: 1 }, {}))).toEqual([0.5, 0.5]);
    place(policy, fleet({ matchedSegments: 1 }), memory, { nowMs: 9 });
    expect(memory.coldPlacements.get("a")).toBeLessThan(9);
  });

  it("scores 1 for the pod a session was last sent to, for 300 s", () => {
    const memory = newPolicyMemory();
    const policy = named("weighted", { ...ALONE, session: 1 });
    const asked = { ...request, session: "5e55" };
    const home = place(policy, fleet({}, {}), memory, { asked });
    expect(choices(policy, fleet({}, {}), asked, memory)).toEqual([home]);
    const later = { ...context(1, memory), nowMs: 1_300_001 };
    expect(policy.decide(asked, fleet({}, {}), later).terms.every((score) => score === 0)).toBe(true);
  });

  it("scores leases in proportion between the busiest pod and an idle one", () => {
    const pods = fleet({ inFlight: 4 }, { inFlight: 1 }, {});
    expect(scores("activeRequest", pods)).toEqual([0, 0.75, 1]);
    expect(scores("activeRequest", pods, request, { idleRequests: 1, mostBusyScore: 0.5 })).toEqual([0, 1, 1]);
  });

  it("scores how well a prompt fits the pod's context", () => {
    const pods = fleet({ maxModelLen: 1_000 }, { maxModelLen: 10_000 }, { maxModelLen: 500 }, {});
    expect(scores("contextLength", pods)).toEqual([1, 0.37, 0.15, 0.5]);
  });

  it("draws in proportion to the scores where asked to", () => {
    const policy = named("weighted", { ...ALONE, prefix: 1, picker: "weighted-random" });
    const pods = fleet({ matchedSegments: 9 }, { matchedSegments: 1 }, {});
    expect(choices(policy, pods)).toEqual(["a", "b"]);
    expect(choices(policy, fleet({}, {}))).toEqual(["a", "b"]);
  });
});

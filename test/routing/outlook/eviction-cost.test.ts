import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evictionCostMs } from "../../../src/routing/outlook/eviction-cost.ts";
import { type Chain, PodOutlook } from "../../../src/routing/outlook/pod-outlook.ts";
import { prefillMs, prefillWork } from "../../../src/routing/outlook/prefill-cost.ts";
import { ReturnTimes } from "../../../src/routing/outlook/return-times.ts";

const rates = { tokenMs: 0.02, pairMs: 1e-6 };

function chainOf(pod: PodOutlook, tokens: number, idleSinceMs: number): Chain {
  const chain: Chain = {
    id: 1,
    turns: 5,
    idleSinceMs,
    home: pod,
    lastPromptTokens: tokens,
    inFlight: 0,
    residents: [],
  };
  pod.keep(chain, tokens, tokens);
  return chain;
}

function tokensInOrder(pod: PodOutlook): number[] {
  const tokens: number[] = [];
  for (let idle = pod.oldest; idle !== undefined; idle = idle.newer) tokens.push(idle.tokens);
  return tokens;
}

function costMs(pod: PodOutlook, neededTokens: number, chain?: Chain): number {
  const returns = new ReturnTimes();
  const limits = { capacityTokens: 100_000, answerTokens: 0 };
  return evictionCostMs({ pod, neededTokens, chain, returns, rates, nowMs: 10_000, ...limits });
}

describe("evictionCostMs", () => {
  it("is nothing while the cache has room", () => {
    const pod = new PodOutlook(0);
    chainOf(pod, 60_000, 1_000);
    expect(costMs(pod, 40_000)).toBe(0);
    expect(costMs(pod, 40_001)).toBeGreaterThan(0);
  });

  it("is at most the recomputation of what goes, tails first", () => {
    const pod = new PodOutlook(0);
    chainOf(pod, 60_000, 1_000);
    const tail = prefillMs(rates, prefillWork(60_000, 50_000));
    expect(costMs(pod, 50_000)).toBeLessThanOrEqual(tail);
    expect(costMs(pod, 50_000)).toBeGreaterThan(0.01 * tail);
  });

  it("goes by who finished first, and costs nothing for copies whose chain went on elsewhere", () => {
    const pod = new PodOutlook(0);
    const oldest = chainOf(pod, 50_000, 1_000);
    chainOf(pod, 50_000, 2_000);
    const both = costMs(pod, 60_000);
    oldest.home = new PodOutlook(0);
    const stale = costMs(pod, 60_000);
    expect(stale).toBeGreaterThan(0);
    expect(stale).toBeLessThan(both);
    expect(costMs(pod, 40_000)).toBe(0);
  });

  it("does not let a request push itself out", () => {
    const pod = new PodOutlook(0);
    const own = chainOf(pod, 90_000, 1_000);
    expect(costMs(pod, 20_000)).toBeGreaterThan(0);
    expect(costMs(pod, 20_000, own)).toBe(0);
  });

  it("looks less far ahead where the pod takes in more", () => {
    const quiet = new PodOutlook(0);
    const busy = new PodOutlook(0);
    for (const pod of [quiet, busy]) chainOf(pod, 90_000, 9_000);
    busy.insertions.add(5e6, 9_999);
    expect(costMs(busy, 20_000)).toBeLessThan(costMs(quiet, 20_000));
  });
});

describe("PodOutlook", () => {
  it("adds work up while it waits and is exactly empty after", () => {
    const pod = new PodOutlook(0);
    pod.sent("a", prefillWork(1_000, 0), 1_000, 5);
    pod.sent("b", prefillWork(3_000, 1_000), 2_000, 8);
    expect(pod.awaitingWork.newTokens).toBe(3_000);
    expect(pod.headMs(rates)).toBeCloseTo(prefillMs(rates, prefillWork(1_000, 0)), 9);
    expect(pod.headSinceMs).toBe(5);
    pod.stopsWaiting("a", 20);
    expect(pod.headMs(rates)).toBeCloseTo(prefillMs(rates, prefillWork(3_000, 1_000)), 9);
    expect(pod.awaitingMs(rates)).toBeCloseTo(pod.headMs(rates), 9);
    expect(pod.headSinceMs).toBe(20);
    pod.ended("b", 2_000, 30);
    pod.ended("a", 1_000, 30);
    expect(pod.awaitingWork).toEqual({ newTokens: 0, pairs: 0 });
    expect([pod.heldTokens, pod.leases]).toEqual([0, 0]);
  });

  it("gives up the least recently finished first, and only as much as there is no room for", () => {
    const pod = new PodOutlook(0);
    const first = chainOf(pod, 40_000, 1);
    const second = chainOf(pod, 40_000, 2);
    pod.trim(50_000, 5_000);
    expect(pod.resident(first)?.tokens).toBe(5_000);
    expect(pod.resident(second)?.tokens).toBe(40_000);
    pod.trim(50_000, 20_000);
    expect(pod.resident(first)).toBeUndefined();
    expect(pod.idleTokens).toBe(30_000);
    pod.forget();
    expect(pod.idleTokens).toBe(0);
    expect([pod.oldest, second.residents]).toEqual([undefined, []]);
  });

  it("keeps the order in which turns finished, whoever leaves it, and knows its own copy of a chain", () => {
    const chain = fc.integer({ min: 0, max: 4 });
    const step = fc.record({ chain, pod: fc.integer({ min: 0, max: 1 }), kept: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const pods = [new PodOutlook(0), new PodOutlook(0)];
        const chains = Array.from({ length: 5 }, (_, i) => chainOf(new PodOutlook(0), 100 + i, 0));
        const model: number[][] = [[], []];
        for (const { chain: at, pod, kept } of steps) {
          const before = model[pod] as number[];
          model[pod] = kept ? [...before.filter((other) => other !== at), at] : before.filter((other) => other !== at);
          if (kept) pods[pod]?.keep(chains[at] as Chain, 100 + at, 100 + at);
          else expect(pods[pod]?.drop(chains[at] as Chain)?.tokens).toBe(before.includes(at) ? 100 + at : undefined);
          for (const [i, order] of model.entries()) {
            expect(tokensInOrder(pods[i] as PodOutlook)).toEqual(order.map((other) => 100 + other));
            expect(pods[i]?.idleTokens).toBe(order.reduce((sum, other) => sum + 100 + other, 0));
          }
        }
      }),
    );
  });
});

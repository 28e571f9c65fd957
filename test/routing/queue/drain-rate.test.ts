import { describe, expect, it } from "vitest";
import { DrainRate } from "../../../src/routing/queue/drain-rate.ts";
import { seededRandom } from "../../../src/routing/random.ts";

const prior = { workTokens: 20_000, busyMs: 1_000 };

describe("drain rate", () => {
  it("is the prior until something is seen", () => {
    expect(new DrainRate(60_000, prior).tokensPerMs(123)).toBe(20);
  });

  it("becomes the pace at which work leaves while somebody waits", () => {
    const rate = new DrainRate(60_000, prior);
    rate.begin(0);
    for (let nowMs = 100; nowMs <= 300_000; nowMs += 100) rate.placed(500, true, nowMs);
    expect(rate.tokensPerMs(300_000)).toBeCloseTo(5, 1);
  });

  it("does not take a lack of requests for a lack of pace", () => {
    const rate = new DrainRate(60_000, prior);
    rate.begin(0);
    for (let nowMs = 100; nowMs <= 60_000; nowMs += 100) rate.placed(500, nowMs < 60_000, nowMs);
    const before = rate.tokensPerMs(60_000);
    expect(rate.tokensPerMs(3_600_000)).toBe(before);
    rate.begin(3_600_000);
    expect(rate.tokensPerMs(3_600_000)).toBe(before);
  });

  it("learns nothing from work that finds pods free", () => {
    const rate = new DrainRate(60_000, prior);
    for (let nowMs = 0; nowMs < 1_000; nowMs += 10) {
      rate.begin(nowMs);
      rate.placed(50_000, true, nowMs);
      rate.placed(50_000, false, nowMs);
    }
    expect(rate.tokensPerMs(1_000)).toBe(20);
  });

  it("counts the first that leaves by half: it waited for a part of the pace only", () => {
    const rate = new DrainRate(60_000, prior);
    rate.begin(0);
    rate.placed(10_000, true, 1_000);
    rate.placed(10_000, false, 2_000);
    expect(rate.state.workTokens / rate.state.busyMs).toBeCloseTo((20_000 + 15_000) / 3_000, 1);
  });

  it("does not take those that leave together for a faster pace", () => {
    const slots = 4;
    const [work, serviceMs] = [500, 1_000];
    const random = seededRandom(1);
    const rate = new DrainRate(60_000, { workTokens: 1, busyMs: 1 });
    // Requests that were begun together end together. A few more come at some moment of their second.
    for (let round = 0; round < 1_000; round++) {
      const endsAtMs = 10_000 * round + serviceMs;
      const waiting = 1 + (round % slots);
      rate.begin(endsAtMs - Math.floor(random() * serviceMs) - 1);
      for (let i = 1; i <= waiting; i++) rate.placed(work, i < waiting, endsAtMs + i);
    }
    expect(rate.tokensPerMs(10_000_000)).toBeGreaterThan((0.8 * slots * work) / serviceMs);
    expect(rate.tokensPerMs(10_000_000)).toBeLessThan((1.25 * slots * work) / serviceMs);
  });

  it("is not measured before the given time, and from then on even if somebody waited all along", () => {
    const rate = new DrainRate(60_000, prior, 20_000);
    rate.begin(0);
    for (let nowMs = 1; nowMs <= 20_000; nowMs++) rate.placed(500, true, nowMs);
    expect(rate.state).toEqual(prior);
    for (let nowMs = 20_100; nowMs <= 320_000; nowMs += 100) rate.placed(500, true, nowMs);
    expect(rate.tokensPerMs(320_000)).toBeCloseTo(5, 1);
  });

  it("forgets that somebody waited when the last one leaves unplaced", () => {
    const rate = new DrainRate(60_000, prior);
    rate.begin(0);
    rate.end();
    expect(rate.tokensPerMs(600_000)).toBe(20);
  });

  it("falls while nothing leaves at all", () => {
    const rate = new DrainRate(60_000, { workTokens: 60_000 * 20, busyMs: 60_000 });
    rate.begin(0);
    expect(rate.tokensPerMs(0)).toBe(20);
    expect(rate.tokensPerMs(60_000)).toBeCloseTo(20 * Math.exp(-1), 6);
  });

  it("is never 0, however long nothing leaves", () => {
    const rate = new DrainRate(60_000, prior);
    rate.begin(0);
    expect(rate.tokensPerMs(7 * 86_400_000)).toBeGreaterThan(0);
  });

  it("goes on from a kept state", () => {
    const rate = new DrainRate(60_000, prior);
    rate.begin(0);
    rate.placed(10_000, true, 100);
    rate.placed(10_000, false, 200);
    expect(new DrainRate(60_000, rate.state).tokensPerMs(0)).toBe(rate.tokensPerMs(200));
  });
});

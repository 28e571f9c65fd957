import { describe, expect, it } from "vitest";
import { DrainRate } from "../../../src/routing/queue/drain-rate.ts";

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

  it("learns nothing from the first that leaves: it waited for a part of the pace only", () => {
    const rate = new DrainRate(60_000, prior);
    rate.begin(0);
    rate.placed(50_000, true, 3);
    expect(rate.state).toEqual(prior);
    rate.placed(50_000, false, 1_003);
    expect(rate.tokensPerMs(1_003)).toBeCloseTo(35, 0);
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

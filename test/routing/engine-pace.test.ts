import { describe, expect, it } from "vitest";
import { EnginePaceMeter, type EngineTotals } from "../../src/routing/engine-pace.ts";

const totals = (requests: number): EngineTotals => ({
  promptTokens: 1_000 * requests,
  generationTokens: 200 * requests,
  timedRequests: requests,
  queueS: 0.1 * requests,
  firstTokenS: 0.5 * requests,
  requestS: 3.5 * requests,
});

describe("an engine's pace", () => {
  it("is its rates and a request's means between two readings", () => {
    const meter = new EnginePaceMeter();
    meter.observe(totals(0), 0);
    const pace = meter.observe(totals(20), 10_000);
    expect(pace.promptTokensPerS).toBeCloseTo(2_000);
    expect(pace.generationTokensPerS).toBeCloseTo(400);
    expect(pace.queueMs).toBeCloseTo(100);
    expect(pace.firstTokenMs).toBeCloseTo(500);
    expect(pace.decodeMs).toBeCloseTo(3_000);
    expect([pace.promptTokens, pace.generationTokens]).toEqual([1_000, 200]);
  });

  it("has only the means of its whole life after one reading, and they soon fade", () => {
    const meter = new EnginePaceMeter();
    const first = meter.observe(totals(1_000_000), 0);
    expect(first).toMatchObject({ firstTokenMs: 500, promptTokensPerS: undefined });
    const later = { ...totals(1_000_100), firstTokenS: 500_000 + 100 * 5 };
    expect(meter.observe(later, 30_000).firstTokenMs).toBeGreaterThan(4_900);
  });

  it("forgets within minutes", () => {
    const meter = new EnginePaceMeter();
    meter.observe(totals(0), 0);
    meter.observe(totals(100), 10_000);
    let pace = meter.observe(totals(100), 20_000);
    expect(pace.promptTokensPerS).toBeGreaterThan(4_000);
    for (let atMs = 30_000; atMs <= 400_000; atMs += 10_000) pace = meter.observe(totals(100), atMs);
    expect(pace.promptTokensPerS).toBeLessThan(30);
  });

  it("starts anew when totals go back: the engine restarted", () => {
    const meter = new EnginePaceMeter();
    meter.observe(totals(100), 0);
    meter.observe(totals(200), 10_000);
    const pace = meter.observe({ ...totals(1), firstTokenS: 9 }, 20_000);
    expect(pace).toMatchObject({ promptTokensPerS: undefined, firstTokenMs: 9_000 });
  });

  it("is unknown where totals are, and does not mind the same reading twice", () => {
    const meter = new EnginePaceMeter();
    meter.observe({ generationTokens: 10 }, 0);
    const pace = meter.observe({ generationTokens: 110 }, 1_000);
    expect(pace).toMatchObject({ promptTokensPerS: undefined, queueMs: undefined, decodeMs: undefined });
    expect(pace.generationTokensPerS).toBeCloseTo(100);
    expect(meter.observe({ generationTokens: 110 }, 1_000)).toEqual(pace);
  });
});

import { describe, expect, it } from "vitest";
import type { QueuedRequest } from "../../../src/routing/queue/queued-request.ts";
import { ownPrefillMs, stretchRankMs, workCostAt } from "../../../src/routing/queue/stretch-order.ts";

/** The reference pod: 21.5 us a token. */
const reference = workCostAt(1 / 0.0215);

function request(lengths: Partial<QueuedRequest<undefined>>): QueuedRequest<undefined> {
  return {
    id: "r",
    fingerprint: "r",
    key: "k",
    priority: 0,
    enqueuedAtMs: 0,
    deadlineAtMs: 60_000,
    promptTokens: 1_000,
    uncachedTokens: 1_000,
    outputTokens: 100,
    payload: undefined,
    ...lengths,
  };
}

describe("own prefill", () => {
  it("is that of the reference pod: 16,384 cold tokens take two steps, the tokens and the pairs", () => {
    const cold = request({ promptTokens: 16_384, uncachedTokens: 16_384 });
    expect(ownPrefillMs(cold, reference)).toBeCloseTo(2 * 2 + 16_384 * 0.0215 + (0.71e-6 * 16_384 * 16_384) / 2, 6);
  });

  it("counts only what is not cached, and its attention to what is", () => {
    const warm = request({ promptTokens: 16_384, uncachedTokens: 384 });
    expect(ownPrefillMs(warm, reference)).toBeCloseTo(2 + 384 * 0.0215 + (0.71e-6 * 384 * (16_384 + 16_000)) / 2, 6);
  });

  it("takes twice as long on pods that prefill half as fast", () => {
    const half = workCostAt(0.5 / 0.0215);
    expect(ownPrefillMs(request({}), half)).toBeCloseTo(2 * ownPrefillMs(request({}), reference), 9);
  });
});

describe("bounded stretch", () => {
  it("ranks by arrival plus the stretch times the work, decode's reads included", () => {
    const asked = request({ enqueuedAtMs: 5_000 });
    const workMs = ownPrefillMs(asked, reference) + 43.5e-6 * 1_000 * 100;
    expect(stretchRankMs(asked, 20, reference)).toBeCloseTo(5_000 + 20 * workMs, 6);
  });

  it("lets a request with 4 s of work be overtaken by those of the next 80 s and by none later", () => {
    const cost = { stepMs: 0, stepTokens: 8_192, tokenMs: 0.1, pairMs: 0, kvReadMs: 0 };
    const giant = stretchRankMs(request({ promptTokens: 40_000, uncachedTokens: 40_000 }), 20, cost);
    const tinyAt = (enqueuedAtMs: number) =>
      stretchRankMs(request({ enqueuedAtMs, promptTokens: 1, uncachedTokens: 0 }), 20, cost);
    expect(tinyAt(79_999)).toBeLessThan(giant);
    expect(tinyAt(80_001)).toBeGreaterThan(giant);
  });

  it("is the order of arrival at a stretch of 0", () => {
    const giant = request({ promptTokens: 100_000, uncachedTokens: 100_000 });
    expect(stretchRankMs(giant, 0, reference)).toBe(0);
  });
});

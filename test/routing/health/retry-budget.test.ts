import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RetryBudget } from "../../../src/routing/health/retry-budget.ts";

describe("retry budget", () => {
  it("is a share of the requests of the window and a least per second", () => {
    const budget = new RetryBudget({ retryShare: 0.2, leastPerSecond: 1, windowMs: 10_000 });
    expect(budget.remaining(0)).toBe(10);
    for (let i = 0; i < 100; i++) budget.request(i);
    expect(budget.remaining(100)).toBe(30);
  });

  it("is used up by retries and comes back as they leave the window", () => {
    const budget = new RetryBudget({ retryShare: 0, leastPerSecond: 0.3, windowMs: 10_000 });
    expect([0, 1, 2, 3, 4].map((nowMs) => budget.tryRetry(nowMs))).toEqual([true, true, true, false, false]);
    expect(budget.refused).toBe(2);
    expect(budget.tryRetry(8_999)).toBe(false);
    expect(budget.tryRetry(10_000)).toBe(true);
  });

  it("never lets a broken fleet see more than the share and the least above its requests", () => {
    const arrivals = fc.array(fc.record({ gapMs: fc.nat(500), retries: fc.nat(4) }), { maxLength: 200 });
    fc.assert(
      fc.property(arrivals, (steps) => {
        const budget = new RetryBudget({ retryShare: 0.2, leastPerSecond: 1, windowMs: 10_000 });
        let nowMs = 0;
        let retries = 0;
        steps.forEach((step, i) => {
          nowMs += step.gapMs;
          budget.request(nowMs);
          for (let retry = 0; retry < step.retries; retry++) if (budget.tryRetry(nowMs)) retries++;
          // Two windows may border on each other inside any stretch of time.
          expect(retries).toBeLessThanOrEqual((0.2 * (i + 1) + 10) * (1 + Math.ceil(nowMs / 9_000)));
          expect(budget.remaining(nowMs)).toBeGreaterThanOrEqual(0);
        });
      }),
    );
  });
});

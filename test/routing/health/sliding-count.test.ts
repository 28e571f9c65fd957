import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SlidingCount } from "../../../src/routing/health/sliding-count.ts";

describe("sliding count", () => {
  it("is the number of additions in the window, to within the one bucket that is leaving", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(4_000), { maxLength: 100 }), (gaps) => {
        const count = new SlidingCount(10_000, 10);
        const addedAtMs: number[] = [];
        let nowMs = -5_000;
        for (const gap of gaps) {
          nowMs += gap;
          count.add(nowMs);
          addedAtMs.push(nowMs);
          const within = (windowMs: number) => addedAtMs.filter((atMs) => nowMs - atMs < windowMs).length;
          expect(count.total(nowMs)).toBeLessThanOrEqual(within(10_000));
          expect(count.total(nowMs)).toBeGreaterThanOrEqual(within(9_000));
        }
        expect(count.total(nowMs + 10_000)).toBe(0);
      }),
    );
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { learnedHitYield } from "../../src/routing/hit-yield.ts";

/** After many answers of a pod that really serves `share` of what it is believed to hold. */
function settled(share: number): number {
  let yielded = 1;
  for (let i = 0; i < 300; i++) yielded = learnedHitYield(yielded, 4000 * yielded, 4000 * share);
  return yielded;
}

describe("the hit yield of a pod", () => {
  it.each([1, 0.8, 0.5, 0.2])("settles at the share of %d that its answers report", (share) => {
    expect(settled(share)).toBeCloseTo(share, 2);
  });

  it("rises again when the pod does better", () => {
    let yielded = settled(0.2);
    for (let i = 0; i < 300; i++) yielded = learnedHitYield(yielded, 4000 * yielded, 4000);
    expect(yielded).toBeCloseTo(1, 2);
  });

  it("is moved little by one answer, whatever it says, and not at all by a short hit", () => {
    expect(learnedHitYield(1, 10_000, 0)).toBeCloseTo(0.95);
    expect(learnedHitYield(0.5, 100, 0)).toBe(0.5);
  });

  it("stays between a tenth and one", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 1, noNaN: true }), fc.nat(1e6), fc.nat(1e6), (before, hit, reported) => {
        const after = learnedHitYield(before, hit, reported);
        expect(after).toBeGreaterThanOrEqual(0.1);
        expect(after).toBeLessThanOrEqual(1);
      }),
    );
  });
});

import { describe, expect, it } from "vitest";
import { checkpointRow } from "../../../src/bench/checkpoint/checkpoint-row.ts";

const counts = {
  pods: 100,
  claims: 1_000_000,
  claimChangesPerS: 10_000,
  leasesPerS: 100,
  requests: 12,
  storedBytes: 12_000_000,
};

describe("a row of bench checkpoint", () => {
  it("has ratios that are medians over the repeats, and latencies of all requests", () => {
    const row = checkpointRow(counts, [
      { on: [2, 2, 2], off: [1, 1, 1] },
      { on: [3, 3, 3], off: [3, 3, 3] },
      { on: [6, 6, 6], off: [4, 4, 4] },
    ]);
    expect(row).toMatchObject({ p50Ratio: 1.5, p50RatioHalfRange: 0.5, p99Ratio: 1.5, repeats: 3 });
    expect([row.onMs.p50, row.offMs.p50, row.onMs.mean]).toEqual([3, 3, 3.667]);
  });

  it("sees stalls that only a few requests meet", () => {
    const calm = Array.from({ length: 100 }, () => 1);
    const stalled = [...calm.slice(2), 50, 50];
    const { p50Ratio, p99Ratio } = checkpointRow(counts, [{ on: stalled, off: calm }]);
    expect(p50Ratio).toBe(1);
    expect(p99Ratio).toBeGreaterThan(25);
  });
});

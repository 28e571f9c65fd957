import { describe, expect, it } from "vitest";
import { runCoreBench } from "../../src/bench/core-bench.ts";

describe("core bench", () => {
  it("stores as many distinct pairs as asked for, and takes all of them up again", async () => {
    const row = await runCoreBench({ pods: 5, segments: 40, pairs: 20_000, seconds: 0.05, seed: 1 });
    expect(row.pairs).toBeGreaterThanOrEqual(20_000);
    expect(row.pairs).toBeLessThan(20_040);
    expect(row.baseRssMb).toBeLessThanOrEqual(row.peakRssMb);
    for (const name of [
      "decisionsPerS",
      "turnsPerS",
      "matchesPerS",
      "ingestSegmentsPerS",
      "keepMs",
      "restoreMs",
    ] as const) {
      expect(row[name], name).toBeGreaterThan(0);
    }
  });

  it("ends where prompts are all shared and no more pairs can come of them", async () => {
    const row = await runCoreBench({ pods: 2, segments: 8, pairs: 20_000, seconds: 0.02, seed: 1 });
    expect(row.pairs).toBe(2 * 3 * 8);
  });
});

import { describe, expect, it } from "vitest";
import { histogramPercentile, mergedBuckets } from "../../../src/bench/report/histogram.ts";

const buckets = [
  { upTo: 10, count: 50 },
  { upTo: 20, count: 90 },
  { upTo: 40, count: 90 },
  { upTo: Number.POSITIVE_INFINITY, count: 100 },
];

describe("histogramPercentile", () => {
  it("spreads the values of a bucket evenly", () => {
    expect(histogramPercentile(buckets, 0.25)).toBe(5);
    expect(histogramPercentile(buckets, 0.5)).toBe(10);
    expect(histogramPercentile(buckets, 0.7)).toBe(15);
  });

  it("says the last finite bound of what lies beyond it", () => {
    expect(histogramPercentile(buckets, 0.99)).toBe(40);
  });

  it("is 0 where nothing was counted", () => {
    expect(histogramPercentile([], 0.5)).toBe(0);
    expect(histogramPercentile([{ upTo: 10, count: 0 }], 0.5)).toBe(0);
  });
});

describe("mergedBuckets", () => {
  it("adds the counts of equal bounds", () => {
    expect(mergedBuckets([buckets.slice(0, 2), buckets.slice(0, 2)])).toEqual([
      { upTo: 10, count: 100 },
      { upTo: 20, count: 180 },
    ]);
  });
});

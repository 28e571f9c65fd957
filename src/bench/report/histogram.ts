/** A cumulative bucket, as Prometheus exposes it: how many values are at most `upTo`. */
export type Bucket = { readonly upTo: number; readonly count: number };

/** Histograms over the same bounds as one. */
export function mergedBuckets(histograms: readonly (readonly Bucket[])[]): Bucket[] {
  const counts = new Map<number, number>();
  for (const buckets of histograms) {
    for (const { upTo, count } of buckets) counts.set(upTo, (counts.get(upTo) ?? 0) + count);
  }
  return Array.from(counts, ([upTo, count]) => ({ upTo, count })).toSorted((a, b) => a.upTo - b.upTo);
}

/**
 * The value at `share` (0 to 1) of what a histogram counted, evenly spread inside its bucket, as Prometheus'
 * `histogram_quantile` has it. Values beyond the last finite bound count as that bound. 0 for an empty histogram.
 */
export function histogramPercentile(buckets: readonly Bucket[], share: number): number {
  const rank = share * (buckets.at(-1)?.count ?? 0);
  if (rank === 0) return 0;
  let before: Bucket = { upTo: 0, count: 0 };
  for (const bucket of buckets) {
    if (!Number.isFinite(bucket.upTo)) break;
    if (bucket.count >= rank) {
      const within = (rank - before.count) / (bucket.count - before.count);
      return before.upTo + within * (bucket.upTo - before.upTo);
    }
    before = bucket;
  }
  return before.upTo;
}

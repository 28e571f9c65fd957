import { median, percentile, rounded } from "../report/percentiles.ts";
import { quotient } from "../report/quotient.ts";

/** Latencies of one repeat, in ms, requests sent to the two in turn. */
export type LatencyPair = { readonly on: readonly number[]; readonly off: readonly number[] };

/** Percentiles in ms. */
type Latency = { readonly p50: number; readonly p99: number; readonly mean: number };

/** The row of `scripts/bench checkpoint`. */
export type CheckpointRow = {
  readonly pods: number;
  /** Claims in the index of each router when measuring began. */
  readonly claims: number;
  /** Segments stored and removed in a second in each router. */
  readonly claimChangesPerS: number;
  /** Leases opened in a second in each router. */
  readonly leasesPerS: number;
  readonly requests: number;
  /** Over all requests of all repeats. */
  readonly onMs: Latency;
  readonly offMs: Latency;
  /** Medians over the repeats of on by off, and half the range over them. */
  readonly p50Ratio: number;
  readonly p50RatioHalfRange: number;
  readonly p99Ratio: number;
  readonly p99RatioHalfRange: number;
  readonly repeats: number;
  /** Bytes on disk of the router with checkpoints. */
  readonly storedBytes: number;
};

type Counts = Omit<CheckpointRow, keyof ReturnType<typeof latencyFigures>>;

export function checkpointRow(counts: Counts, pairs: readonly LatencyPair[]): CheckpointRow {
  return { ...counts, ...latencyFigures(pairs) };
}

function latencyFigures(pairs: readonly LatencyPair[]) {
  const ratios = (share: number) =>
    pairs.map(({ on, off }) => quotient(percentile(ascending(on), share), percentile(ascending(off), share)));
  const [p50Ratios, p99Ratios] = [ratios(0.5), ratios(0.99)];
  return {
    onMs: latency(pairs.flatMap(({ on }) => on)),
    offMs: latency(pairs.flatMap(({ off }) => off)),
    p50Ratio: rounded(median(p50Ratios)),
    p50RatioHalfRange: halfRange(p50Ratios),
    p99Ratio: rounded(median(p99Ratios)),
    p99RatioHalfRange: halfRange(p99Ratios),
    repeats: pairs.length,
  };
}

function latency(values: readonly number[]): Latency {
  const sorted = ascending(values);
  const mean = quotient(
    sorted.reduce((sum, value) => sum + value, 0),
    sorted.length,
  );
  return { p50: rounded(percentile(sorted, 0.5)), p99: rounded(percentile(sorted, 0.99)), mean: rounded(mean) };
}

function halfRange(values: readonly number[]): number {
  return rounded((Math.max(...values) - Math.min(...values)) / 2);
}

function ascending(values: readonly number[]): number[] {
  return values.toSorted((a, b) => a - b);
}

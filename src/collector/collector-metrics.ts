import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** The collector's own health, as `/metrics` shows it. No label carries a pod or a model: their number is not bounded. */
export type CollectorMetrics = ReturnType<typeof createCollectorMetrics>;

/** Pods whose index has one mode and reason. */
export type IndexCount = { readonly mode: string; readonly reason: string; readonly pods: number };

/** What is counted elsewhere, each by kind. */
export type CollectorCounts = {
  /** Endpoints by state. */
  readonly pods: Readonly<Record<string, number>>;
  /** Endpoints by how far their claims can be trusted, and why not further. */
  readonly indexes: readonly IndexCount[];
  /** What translation met since the collector started. */
  readonly translation: Readonly<Record<string, number>>;
  /** What the translation's tables hold now. */
  readonly tables: Readonly<Record<string, number>>;
};

/**
 * Instruments on a registry of their own, so that several collectors can run in one process. `counts` is asked whenever
 * the metrics are read.
 */
export function createCollectorMetrics(counts: () => CollectorCounts) {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    pushes: new Counter({
      name: "warmpath_collector_pushes_total",
      help: "Pushes by outcome.",
      labelNames: ["outcome"],
      registers,
    }),
    pushDurationSeconds: new Histogram({
      name: "warmpath_collector_push_duration_seconds",
      help: "Time from encoding a push to its outcome.",
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers,
    }),
    spoolOverflows: new Counter({
      name: "warmpath_collector_spool_overflows_total",
      help: "Times a pod's waiting claims were dropped for a resync.",
      registers,
    }),
    batches: new Counter({
      name: "warmpath_collector_kv_batches_total",
      help: "KV-event batches delivered in order.",
      registers,
    }),
    events: new Counter({
      name: "warmpath_collector_kv_events_total",
      help: "KV events delivered in order, by kind.",
      labelNames: ["kind"],
      registers,
    }),
    droppedBatches: new Counter({
      name: "warmpath_collector_kv_dropped_batches_total",
      help: "Late or doubled KV-event batches.",
      registers,
    }),
    gaps: new Counter({
      name: "warmpath_collector_kv_gaps_total",
      help: "Gaps in KV-event sequences, filled by replay or not.",
      registers,
    }),
    unfilledGaps: new Counter({
      name: "warmpath_collector_kv_unfilled_gaps_total",
      help: "Gaps that replay did not fill.",
      registers,
    }),
    replays: new Counter({
      name: "warmpath_collector_kv_replays_total",
      help: "KV-event replays by outcome.",
      labelNames: ["outcome"],
      registers,
    }),
    decodeErrors: new Counter({
      name: "warmpath_collector_kv_decode_errors_total",
      help: "KV-event messages and events that could not be read, by reason.",
      labelNames: ["reason"],
      registers,
    }),
    scrapeErrors: new Counter({
      name: "warmpath_collector_scrape_errors_total",
      help: "Failed requests to engines, by reason.",
      labelNames: ["reason"],
      registers,
    }),
    pods: new Gauge({
      name: "warmpath_collector_pods",
      help: "Endpoints by state; those whose model is not known yet are unknown.",
      labelNames: ["state"],
      registers,
      collect() {
        for (const [state, count] of Object.entries(counts().pods)) this.set({ state }, count);
      },
    }),
    indexes: new Gauge({
      name: "warmpath_collector_indexes",
      help: "Endpoints by how far claims about their cache can be trusted: exact, mixed, approximate; and why.",
      labelNames: ["mode", "reason"],
      registers,
      collect() {
        this.reset();
        for (const { mode, reason, pods } of counts().indexes) this.set({ mode, reason }, pods);
      },
    }),
    translatedBlocks: new Counter({
      name: "warmpath_collector_kv_blocks_total",
      help: "Blocks of KV events by what became of them.",
      labelNames: ["kind"],
      registers,
      collect() {
        this.reset();
        for (const [kind, count] of Object.entries(counts().translation)) this.inc({ kind }, count);
      },
    }),
    tables: new Gauge({
      name: "warmpath_collector_kv_table",
      help: "What the tables of pods' caches hold: blocks, those that wait for one before them, claimed segments, bytes.",
      labelNames: ["of"],
      registers,
      collect() {
        for (const [of, size] of Object.entries(counts().tables)) this.set({ of }, size);
      },
    }),
  };
}

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { SchedulerTotals } from "./scheduler.ts";

const FIRST_TOKEN_BUCKETS = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560,
];
const TOKEN_BUCKETS = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80];
const REQUEST_BUCKETS = [0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680];
const ENGINE_LABEL = "0";
const FINISH_REASONS = ["stop", "length", "abort", "error", "repetition"] as const;

/** Why a request ended, as the metrics name it. */
export type FinishedReason = (typeof FINISH_REASONS)[number];

/** What the gauges and scheduler counters read when they are scraped. */
export interface EngineReadings {
  readonly running: number;
  readonly waiting: number;
  /** Share of KV blocks in use, 0 to 1. */
  readonly kvUsage: number;
  readonly totals: SchedulerTotals;
  readonly runningAdapters: readonly string[];
  readonly waitingAdapters: readonly string[];
}

/** Fixed facts that the metrics carry. */
export interface MetricsOptions {
  readonly modelName: string;
  readonly blockTokens: number;
  readonly blockCount: number;
  readonly cacheSizeTokens: number;
  readonly hashAlgorithm: string;
  readonly adapters: number;
  /** When the process of the server began. */
  readonly startedUnixS: number;
  /** Whether cache_config_info has the size in tokens, as vLLM does since June 2026. */
  readonly tellsCacheSize: boolean;
}

type Reader = () => EngineReadings;

/** The Prometheus series of one engine, under vLLM's names and labels. Times are in wall seconds. */
export class EngineMetrics {
  readonly #registry = new Registry();
  /** The info series and those of the process carry no labels of the model. */
  readonly #infoRegistry = new Registry();
  readonly #read: Reader;
  readonly #firstToken: Histogram;
  readonly #interToken: Histogram;
  readonly #endToEnd: Histogram;
  readonly #promptTokens: Counter;
  readonly #cachedTokens: Counter;
  readonly #generationTokens: Counter;
  readonly #success: Counter;

  constructor(options: MetricsOptions, read: Reader) {
    this.#read = read;
    this.#registry.setDefaultLabels({ engine: ENGINE_LABEL, model_name: options.modelName });
    this.#addGauges();
    this.#addSchedulerCounters();
    this.#firstToken = this.#histogram("time_to_first_token_seconds", FIRST_TOKEN_BUCKETS, "time to first token");
    this.#interToken = this.#histogram("inter_token_latency_seconds", TOKEN_BUCKETS, "inter-token latency");
    this.#endToEnd = this.#histogram("e2e_request_latency_seconds", REQUEST_BUCKETS, "e2e request latency");
    this.#promptTokens = this.#counter("prompt_tokens_total", "Number of prefill tokens processed.");
    this.#cachedTokens = this.#counter("prompt_tokens_cached_total", "Number of cached prompt tokens.");
    this.#generationTokens = this.#counter("generation_tokens_total", "Number of generation tokens processed.");
    this.#success = this.#counter("request_success_total", "Count of finished requests.", ["finished_reason"]);
    for (const finished_reason of FINISH_REASONS) this.#success.inc({ finished_reason }, 0);
    this.#addProcessStart(options.startedUnixS);
    this.#addCacheConfig(options);
    if (options.adapters > 0) this.#addAdapterInfo(options.adapters);
  }

  /** Content type of the exposition. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The exposition as text. */
  async expose(): Promise<string> {
    return `${await this.#registry.metrics()}\n${await this.#infoRegistry.metrics()}`;
  }

  firstToken(sinceArrivalMs: number, promptTokens: number, cachedTokens: number): void {
    this.#firstToken.observe(sinceArrivalMs / 1000);
    this.#promptTokens.inc(promptTokens);
    this.#cachedTokens.inc(cachedTokens);
  }

  /** `sincePreviousMs` is null for the first token of a sequence. */
  token(sincePreviousMs: number | null): void {
    this.#generationTokens.inc();
    if (sincePreviousMs !== null) this.#interToken.observe(sincePreviousMs / 1000);
  }

  finished(reason: FinishedReason, sinceArrivalMs: number): void {
    this.#success.inc({ finished_reason: reason });
    if (reason !== "abort") this.#endToEnd.observe(sinceArrivalMs / 1000);
  }

  #addGauges(): void {
    this.#gauge("num_requests_running", "Number of requests in model execution batches.", ({ running }) => running);
    this.#gauge("num_requests_waiting", "Number of requests waiting to be processed.", ({ waiting }) => waiting);
    this.#gauge("kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", ({ kvUsage }) => kvUsage);
  }

  #addSchedulerCounters(): void {
    const counters: readonly (readonly [string, string, (totals: SchedulerTotals) => number])[] = [
      ["prefix_cache_queries_total", "Number of queried tokens.", (totals) => totals.prefixQueryTokens],
      ["prefix_cache_hits_total", "Number of cached tokens.", (totals) => totals.prefixHitTokens],
      ["num_preemptions_total", "Cumulative number of preemptions.", (totals) => totals.preemptions],
    ];
    for (const [name, help, value] of counters) {
      const read = this.#read;
      this.#registry.registerMetric(
        new Counter({
          name: `vllm:${name}`,
          help,
          registers: [],
          collect() {
            this.reset();
            this.inc(value(read().totals));
          },
        }),
      );
    }
  }

  #addProcessStart(startedUnixS: number): void {
    const gauge = new Gauge({
      name: "process_start_time_seconds",
      help: "Start time of the process since unix epoch in seconds.",
      registers: [this.#infoRegistry],
    });
    gauge.set(startedUnixS);
  }

  #addCacheConfig(options: MetricsOptions): void {
    const labels = {
      block_size: String(options.blockTokens),
      cache_dtype: "auto",
      enable_prefix_caching: "True",
      engine: ENGINE_LABEL,
      gpu_memory_utilization: "0.9",
      ...(options.tellsCacheSize && { kv_cache_size_tokens: String(options.cacheSizeTokens) }),
      num_cpu_blocks: "None",
      num_gpu_blocks: String(options.blockCount),
      num_gpu_blocks_override: "None",
      prefix_caching_hash_algo: options.hashAlgorithm,
      sliding_window: "None",
    };
    const gauge = new Gauge({
      name: "vllm:cache_config_info",
      help: "Information of the LLMEngine CacheConfig",
      labelNames: Object.keys(labels),
      registers: [this.#infoRegistry],
    });
    gauge.set(labels, 1);
  }

  #addAdapterInfo(maxAdapters: number): void {
    const read = this.#read;
    this.#infoRegistry.registerMetric(
      new Gauge({
        name: "vllm:lora_requests_info",
        help: "Running stats on lora requests.",
        labelNames: ["max_lora", "running_lora_adapters", "waiting_lora_adapters"],
        registers: [],
        collect() {
          const { runningAdapters, waitingAdapters } = read();
          this.reset();
          this.set(
            {
              max_lora: String(maxAdapters),
              running_lora_adapters: runningAdapters.join(","),
              waiting_lora_adapters: waitingAdapters.join(","),
            },
            Date.now() / 1000,
          );
        },
      }),
    );
  }

  #gauge(name: string, help: string, value: (readings: EngineReadings) => number): void {
    const read = this.#read;
    this.#registry.registerMetric(
      new Gauge({
        name: `vllm:${name}`,
        help,
        registers: [],
        collect() {
          this.set(value(read()));
        },
      }),
    );
  }

  #counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter({ name: `vllm:${name}`, help, labelNames, registers: [this.#registry] });
  }

  #histogram(name: string, buckets: number[], what: string): Histogram {
    const help = `Histogram of ${what} in seconds.`;
    return new Histogram({ name: `vllm:${name}`, help, buckets, registers: [this.#registry] });
  }
}

import { activeAdapters } from "./active-adapters.ts";
import type { EngineReading } from "./engine-reading.ts";
import { type Exposition, parseExposition } from "./exposition.ts";
import { countLabel, countOverRanks, type RankFold, shareOverRanks, sumOverRanks } from "./rank-totals.ts";
import { requestTimes } from "./request-times.ts";

/** `engine` is the data-parallel rank. */
const RANKS: RankFold = { rankLabels: ["engine"] };

// New name first; vLLM 0.9.2 to 0.10.2 exports both, with equal values.
const KV_USAGE = ["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"];
const PREFIX_QUERIES = ["vllm:prefix_cache_queries_total", "vllm:gpu_prefix_cache_queries_total"];
const PREFIX_HITS = ["vllm:prefix_cache_hits_total", "vllm:gpu_prefix_cache_hits_total"];
const RUNNING = ["vllm:num_requests_running"];
const WAITING = ["vllm:num_requests_waiting"];
const PROMPT_TOKENS = ["vllm:prompt_tokens_total"];
const GENERATION_TOKENS = ["vllm:generation_tokens_total"];
const TIMES = {
  requests: ["vllm:e2e_request_latency_seconds_count"],
  queueS: ["vllm:request_queue_time_seconds_sum"],
  firstTokenS: ["vllm:time_to_first_token_seconds_sum"],
  requestS: ["vllm:e2e_request_latency_seconds_sum"],
};
const ADAPTERS = "vllm:lora_requests_info";
const SLEEP_STATE = "vllm:engine_sleep_state";
const CACHE_CONFIG = "vllm:cache_config_info";
const START_TIME = "process_start_time_seconds";

const READ = new Set([
  ...KV_USAGE,
  ...PREFIX_QUERIES,
  ...PREFIX_HITS,
  ...RUNNING,
  ...WAITING,
  ...PROMPT_TOKENS,
  ...GENERATION_TOKENS,
  ...Object.values(TIMES).flat(),
  ADAPTERS,
  SLEEP_STATE,
  CACHE_CONFIG,
  START_TIME,
]);

/** Reads vLLM's `GET /metrics`, 0.9.0 and later. */
export function readVllmMetrics(text: string): EngineReading {
  const exposition = parseExposition(text, (name) => READ.has(name));
  const promptTokens = sumOverRanks(exposition, PROMPT_TOKENS, RANKS);
  return {
    sample: {
      running: countOverRanks(exposition, RUNNING, RANKS),
      waiting: countOverRanks(exposition, WAITING, RANKS),
      kvUsage: shareOverRanks(exposition, KV_USAGE, RANKS),
      prefixQueryTokens: sumOverRanks(exposition, PREFIX_QUERIES, RANKS),
      prefixHitTokens: sumOverRanks(exposition, PREFIX_HITS, RANKS),
      promptTokens,
      generationTokens: sumOverRanks(exposition, GENERATION_TOKENS, RANKS),
      ...requestTimes(exposition, TIMES, RANKS),
      ...activeAdapters(exposition.series.get(ADAPTERS) ?? []),
    },
    ...cacheConfig(exposition),
    awake: isAwake(exposition),
    startTimeS: sumOverRanks(exposition, [START_TIME], RANKS),
    promptTokens,
  };
}

/** One rank asleep is enough not to route to the engine. */
function isAwake(exposition: Exposition): boolean | undefined {
  const awake = (exposition.series.get(SLEEP_STATE) ?? []).filter((one) => one.labels.get("sleep_state") === "awake");
  return awake.length === 0 ? undefined : awake.every((one) => one.value !== 0);
}

/** `kv_cache_size_tokens` (June 2026) where it is there; blocks times size overstates hybrid models. */
function cacheConfig(exposition: Exposition): Pick<EngineReading, "capacityTokens" | "blockTokens"> {
  let capacityTokens: number | undefined;
  let blockTokens: number | undefined;
  for (const rank of exposition.series.get(CACHE_CONFIG) ?? []) {
    const blocks = countLabel(rank, "num_gpu_blocks");
    const size = countLabel(rank, "block_size");
    blockTokens ??= size;
    const ofBlocks = blocks !== undefined && size !== undefined ? blocks * size : undefined;
    const tokens = countLabel(rank, "kv_cache_size_tokens") ?? ofBlocks;
    if (tokens !== undefined) capacityTokens = (capacityTokens ?? 0) + tokens;
  }
  return { capacityTokens, blockTokens };
}

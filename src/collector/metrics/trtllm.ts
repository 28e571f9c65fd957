import type { EngineReading } from "./engine-reading.ts";
import { parseExposition } from "./exposition.ts";
import { countLabel, countOverRanks, type RankFold, shareOverRanks, sumOverRanks } from "./rank-totals.ts";
import { requestTimes } from "./request-times.ts";

/** Its labels tell no ranks apart; series that differ in `pid` are processes of one engine. */
const RANKS: RankFold = { rankLabels: [] };

const KV_USAGE = ["trtllm_kv_cache_utilization"];
const RUNNING = ["trtllm_num_requests_running"];
const WAITING = ["trtllm_num_requests_waiting"];
const PROMPT_TOKENS = ["trtllm_prompt_tokens_total"];
const GENERATION_TOKENS = ["trtllm_generation_tokens_total"];
const TIMES = {
  requests: ["trtllm_e2e_request_latency_seconds_count"],
  queueS: ["trtllm_request_queue_time_seconds_sum"],
  firstTokenS: ["trtllm_time_to_first_token_seconds_sum"],
  requestS: ["trtllm_e2e_request_latency_seconds_sum"],
};
const CACHED_TOKENS = ["trtllm_prompt_cached_tokens_total"];
const MAX_BLOCKS = ["trtllm_kv_cache_max_blocks"];
const BLOCK_TOKENS = ["trtllm_kv_cache_tokens_per_block"];
const CACHE_CONFIG = "trtllm_kv_cache_config_info";

const READ = new Set([
  ...KV_USAGE,
  ...RUNNING,
  ...WAITING,
  ...PROMPT_TOKENS,
  ...GENERATION_TOKENS,
  ...Object.values(TIMES).flat(),
  ...CACHED_TOKENS,
  ...MAX_BLOCKS,
  ...BLOCK_TOKENS,
  CACHE_CONFIG,
]);

/**
 * Reads TensorRT-LLM's `GET /prometheus/metrics` (there only with `return_perf_metrics`). Release 1.1 has none of the
 * gauges: everything but the counters is undefined then.
 */
export function readTrtllmMetrics(text: string): EngineReading {
  const exposition = parseExposition(text, (name) => READ.has(name));
  const config = exposition.series.get(CACHE_CONFIG)?.[0];
  const pageTokens = config === undefined ? undefined : countLabel(config, "page_size");
  const blockTokens = countOverRanks(exposition, BLOCK_TOKENS, RANKS) ?? pageTokens;
  const blocks = countOverRanks(exposition, MAX_BLOCKS, RANKS);
  const promptTokens = sumOverRanks(exposition, PROMPT_TOKENS, RANKS);
  return {
    sample: {
      running: countOverRanks(exposition, RUNNING, RANKS),
      waiting: countOverRanks(exposition, WAITING, RANKS),
      kvUsage: shareOverRanks(exposition, KV_USAGE, RANKS),
      prefixQueryTokens: promptTokens,
      prefixHitTokens: sumOverRanks(exposition, CACHED_TOKENS, RANKS),
      promptTokens,
      generationTokens: sumOverRanks(exposition, GENERATION_TOKENS, RANKS),
      ...requestTimes(exposition, TIMES, RANKS),
    },
    capacityTokens: blocks !== undefined && blockTokens !== undefined ? blocks * blockTokens : undefined,
    blockTokens,
    awake: undefined,
    startTimeS: undefined,
    promptTokens,
  };
}

import type { EngineReading } from "./engine-reading.ts";
import { type Exposition, parseExposition, type Series } from "./exposition.ts";
import { countLabel, countOverRanks, type RankFold, shareOverRanks, sumOverRanks } from "./rank-totals.ts";
import { requestTimes } from "./request-times.ts";

/** Tensor-, pipeline- and expert-parallel ranks of one data-parallel rank all report that rank's load. */
const RANKS: RankFold = { rankLabels: ["dp_rank"] };

const KV_USAGE = ["sglang:token_usage"];
const RUNNING = ["sglang:num_running_reqs"];
const WAITING = ["sglang:num_queue_reqs"];
const PROMPT_TOKENS = ["sglang:prompt_tokens_total"];
const GENERATION_TOKENS = ["sglang:generation_tokens_total"];
const GENERATION_RATE = ["sglang:gen_throughput"];
const UTILIZATION = ["sglang:utilization"];
const TIMES = {
  requests: ["sglang:e2e_request_latency_seconds_count"],
  queueS: ["sglang:queue_time_seconds_sum"],
  firstTokenS: ["sglang:time_to_first_token_seconds_sum"],
  requestS: ["sglang:e2e_request_latency_seconds_sum"],
};
const CACHED_TOKENS = ["sglang:cached_tokens_total"];
const CAPACITY_TOKENS = ["sglang:max_total_num_tokens"];
const PAGE_SIZE = "sglang:page_size";
/** Up to 0.5.10, in place of the gauge. */
const CACHE_CONFIG = "sglang:cache_config_info";

const READ = new Set([
  ...KV_USAGE,
  ...RUNNING,
  ...WAITING,
  ...PROMPT_TOKENS,
  ...GENERATION_TOKENS,
  ...GENERATION_RATE,
  ...UTILIZATION,
  ...Object.values(TIMES).flat(),
  ...CACHED_TOKENS,
  ...CAPACITY_TOKENS,
  PAGE_SIZE,
  CACHE_CONFIG,
]);

/** Reads SGLang's `GET /metrics` (there only with `--enable-metrics`). */
export function readSglangMetrics(text: string): EngineReading {
  const exposition = parseExposition(text, (name) => READ.has(name));
  const promptTokens = sumOverRanks(exposition, PROMPT_TOKENS, RANKS);
  return {
    sample: {
      running: requests(exposition, RUNNING),
      waiting: requests(exposition, WAITING),
      kvUsage: shareOverRanks(exposition, KV_USAGE, RANKS),
      prefixQueryTokens: promptTokens,
      prefixHitTokens: cachedTokens(exposition),
      utilization: shareOverRanks(exposition, UTILIZATION, RANKS),
      generationTokensPerS: sumOverRanks(exposition, GENERATION_RATE, RANKS),
      promptTokens,
      generationTokens: sumOverRanks(exposition, GENERATION_TOKENS, RANKS),
      ...requestTimes(exposition, TIMES, RANKS),
    },
    capacityTokens: countOverRanks(exposition, CAPACITY_TOKENS, RANKS),
    blockTokens: pageTokens(exposition),
    awake: undefined,
    startTimeS: undefined,
    promptTokens,
  };
}

/** With priority scheduling there is a series per priority, and one without a priority for the total. */
function requests(exposition: Exposition, names: readonly string[]): number | undefined {
  const total = countOverRanks(exposition, names, { ...RANKS, where: (series) => !series.labels.get("priority") });
  return total ?? countOverRanks(exposition, names, { rankLabels: [...RANKS.rankLabels, "priority"] });
}

/** By source (device, host, storage_*), or only as a total. */
function cachedTokens(exposition: Exposition): number | undefined {
  const isTotal = (series: Series) => series.labels.get("cache_source") === "total";
  const total = sumOverRanks(exposition, CACHED_TOKENS, { ...RANKS, where: isTotal });
  return total ?? sumOverRanks(exposition, CACHED_TOKENS, { rankLabels: [...RANKS.rankLabels, "cache_source"] });
}

function pageTokens(exposition: Exposition): number | undefined {
  const gauge = exposition.series.get(PAGE_SIZE)?.[0]?.value;
  if (gauge !== undefined && Number.isInteger(gauge) && gauge > 0) return gauge;
  const config = exposition.series.get(CACHE_CONFIG)?.[0];
  return config === undefined ? undefined : countLabel(config, "page_size");
}

import type { EngineGauges } from "../pod.ts";
import type { Candidate, PolicyContext, PolicyRequest } from "../policy.ts";
import { pinnedPod } from "./session-affinity.ts";

/** Settings of the scorers that take some. */
export type ScorerSettings = {
  /** `prefix`: how much of the score is of the matched tokens, squared, instead of the matched share; 0 to 1. */
  readonly prefixTokensShare: number;
  /** `precisePrefix`: what a segment counts that has to be brought back from host memory; 0 to 1. */
  readonly hostCredit: number;
  /** `tokenLoad`: uncached tokens in flight that make a pod count as full. */
  readonly fullTokens: number;
  /** `session`: how long a session stays with its pod. */
  readonly sessionS: number;
  /** `activeRequest`: up to so many requests a pod counts as idle, and the most a busy one can score. */
  readonly idleRequests: number;
  readonly mostBusyScore: number;
};

/** Writes one score a candidate, 0 to 1, higher is better. */
export type WeightedScorer = (
  request: PolicyRequest,
  candidates: readonly Candidate[],
  context: PolicyContext,
  scores: Float64Array,
  settings: ScorerSettings,
) => void;

/** Full credit of the prefix scorer's token part. */
const FULL_PREFIX_TOKENS = 8_192;

/**
 * The scorers of llm-d's router and the Gateway API inference extension (v0.9 to v1.4), under short names. A gauge that an
 * engine does not report scores its pod as the worst that reports it.
 */
export const SCORERS = {
  /** `queue-scorer`: requests waiting in the engine, scaled between the candidates' least and most. */
  queue: (_request, candidates, _context, scores) => scaleGauge(candidates, ({ waiting }) => waiting, scores),

  /** `running-requests-size-scorer`: the same of the running requests. */
  running: (_request, candidates, _context, scores) => scaleGauge(candidates, ({ running }) => running, scores),

  /** `kv-cache-utilization-scorer`: the free share of the KV cache. */
  kv(_request, candidates, _context, scores) {
    const usage = gaugesOrWorst(candidates, (gauges) => gauges.kvUsage);
    for (let i = 0; i < scores.length; i++) scores[i] = 1 - (usage[i] as number);
  },

  /** `prefix-cache-scorer`: the matched share of the prompt, blended with the square of the matched tokens. */
  prefix({ segments }, candidates, _context, scores, { prefixTokensShare }) {
    for (let i = 0; i < scores.length; i++) {
      const { matchedTokens, matchedSegments } = candidates[i] as Candidate;
      const tokens = Math.min(1, matchedTokens / FULL_PREFIX_TOKENS) ** 2;
      const share = segments === 0 ? 0 : matchedSegments / segments;
      scores[i] = prefixTokensShare * tokens + (1 - prefixTokensShare) * share;
    }
  },

  /**
   * `precise-prefix-cache-scorer`: the matched run, segments in host memory only counting `hostCredit`, against the
   * longest of all candidates.
   */
  precisePrefix(_request, candidates, _context, scores, { hostCredit }) {
    let longest = 0;
    for (let i = 0; i < scores.length; i++) {
      const { matchedSegments, hostSegments } = candidates[i] as Candidate;
      scores[i] = matchedSegments - (1 - hostCredit) * hostSegments;
      longest = Math.max(longest, scores[i] as number);
    }
    for (let i = 0; i < scores.length; i++) scores[i] = longest === 0 ? 0 : (scores[i] as number) / longest;
  },

  /** `token-load-scorer`: uncached prompt tokens sent and not yet answered. */
  tokenLoad(_request, candidates, _context, scores, { fullTokens }) {
    for (let i = 0; i < scores.length; i++) {
      scores[i] = 1 - Math.min(1, (candidates[i] as Candidate).backlogTokens / Math.max(1, fullTokens));
    }
  },

  /** `lora-affinity-scorer`: the adapter is active 1, there is a free place for it 0.8, it waits for one 0.6, else 0. */
  loraAffinity({ adapter }, candidates, _context, scores) {
    for (let i = 0; i < scores.length; i++) scores[i] = adapterScore(adapter, (candidates[i] as Candidate).gauges);
  },

  /**
   * `no-hit-lru-scorer`: a prompt that nobody has goes where the last such prompt was longest ago, so that new prefixes
   * spread; for any other all pods score 0.5.
   */
  noHitLru(_request, candidates, { memory }, scores) {
    if (candidates.some(({ matchedSegments }) => matchedSegments > 0)) {
      scores.fill(0.5);
      return;
    }
    const placedMs = candidates.map(({ id }) => memory.coldPlacements.get(id) ?? Number.NEGATIVE_INFINITY);
    const others = Math.max(1, candidates.length - 1);
    for (let i = 0; i < scores.length; i++) {
      const older = placedMs.filter((atMs) => atMs < (placedMs[i] as number)).length;
      scores[i] = 1 - older / others;
    }
  },

  /** `session-affinity-scorer`: 1 for the pod the session was last sent to. */
  session(request, candidates, context, scores, { sessionS }) {
    const pinned = pinnedPod(request, candidates, context, sessionS);
    for (let i = 0; i < scores.length; i++) scores[i] = i === pinned ? 1 : 0;
  },

  /** `active-request-scorer`: the router's own leases, in proportion between the busiest pod and an idle one. */
  activeRequest(_request, candidates, _context, scores, { idleRequests, mostBusyScore }) {
    let most = 0;
    for (const { inFlight } of candidates) most = Math.max(most, inFlight);
    for (let i = 0; i < scores.length; i++) {
      const { inFlight } = candidates[i] as Candidate;
      scores[i] = inFlight <= idleRequests ? 1 : (mostBusyScore * (most - inFlight)) / most;
    }
  },

  /**
   * `context-length-aware`: 0.3 to 1 for a pod the prompt fits into, the higher the less room it leaves, so that pods of
   * long contexts stay free for long prompts; below 0.3 for one it does not fit into; 0.5 where it is not known. llm-d
   * reads a range from a pod label; here it is what the engine says it takes.
   */
  contextLength({ promptTokens }, candidates, _context, scores) {
    for (let i = 0; i < scores.length; i++) {
      const { maxModelLen } = candidates[i] as Candidate;
      if (!maxModelLen) scores[i] = 0.5;
      else if (promptTokens <= maxModelLen) scores[i] = 0.3 + (0.7 * promptTokens) / maxModelLen;
      else scores[i] = (0.3 * maxModelLen) / promptTokens;
    }
  },
} as const satisfies Record<string, WeightedScorer>;

function scaleGauge(
  candidates: readonly Candidate[],
  read: (gauges: EngineGauges) => number | undefined,
  scores: Float64Array,
): void {
  const values = gaugesOrWorst(candidates, read);
  const least = Math.min(...values);
  const most = Math.max(...values);
  for (let i = 0; i < scores.length; i++) {
    scores[i] = most === least ? 1 : (most - (values[i] as number)) / (most - least);
  }
}

/** The gauge of each candidate; the highest reported one for those that do not report it, 0 where nobody does. */
function gaugesOrWorst(
  candidates: readonly Candidate[],
  read: (gauges: EngineGauges) => number | undefined,
): readonly number[] {
  const values = candidates.map(({ gauges }) => gauges && read(gauges));
  const worst = values.reduce<number>((most, value) => Math.max(most, value ?? 0), 0);
  return values.map((value) => value ?? worst);
}

function adapterScore(adapter: string | undefined, gauges: EngineGauges | undefined): number {
  const { runningAdapters = [], waitingAdapters = [], mostAdapters = 0 } = gauges ?? {};
  if (adapter !== undefined && runningAdapters.includes(adapter)) return 1;
  if (runningAdapters.length + waitingAdapters.length < mostAdapters) return 0.8;
  return adapter !== undefined && waitingAdapters.includes(adapter) ? 0.6 : 0;
}

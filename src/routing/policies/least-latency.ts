import type { Candidate, PolicyRequest } from "../policy.ts";
import { scoredPolicy } from "./scored-policy.ts";

/** Taken for an answer's length where no pod tells. */
const ASSUMED_GENERATION_TOKENS = 100;

/**
 * The pod with the least expected latency: mean wait in its queue + mean prefill time for a prompt of this length + mean
 * decode time for an answer of the mean length (AIBrix `least-latency`, gateway plugin 0.7).
 *
 * AIBrix means it so, but reads histograms as 0 or over their whole life, which leaves lifetime means that ignore the
 * request. Here they are means of the last minute, per token. Prefill is the time to the first token less the queue's;
 * where no engine keeps such times, the router's own measure of each pod stands in.
 */
export const leastLatency = scoredPolicy({
  name: "least-latency",
  column: "latencyMs",
  best: "lowest",
  score(request, candidates, _context, scores) {
    const generationTokens = meanGenerationTokens(candidates);
    let reported = false;
    for (let i = 0; i < scores.length; i++) {
      scores[i] = reportedLatency(candidates[i] as Candidate, request, generationTokens);
      reported ||= !Number.isNaN(scores[i]);
    }
    if (reported) return;
    for (let i = 0; i < scores.length; i++) {
      const { firstTokenMs = Number.NaN, decodeMs = 0 } = candidates[i] as Candidate;
      scores[i] = firstTokenMs + decodeMs;
    }
  },
});

function reportedLatency({ pace }: Candidate, request: PolicyRequest, generationTokens: number): number {
  const { queueMs = 0, firstTokenMs, decodeMs } = pace ?? {};
  if (pace === undefined || firstTokenMs === undefined || decodeMs === undefined) return Number.NaN;
  const prefillMs = Math.max(0, firstTokenMs - queueMs);
  const promptShare = pace.promptTokens ? request.promptTokens / pace.promptTokens : 1;
  const answerShare = pace.generationTokens ? generationTokens / pace.generationTokens : 1;
  return queueMs + prefillMs * promptShare + decodeMs * answerShare;
}

function meanGenerationTokens(candidates: readonly Candidate[]): number {
  let sum = 0;
  let known = 0;
  for (const { pace } of candidates) {
    if (pace?.generationTokens === undefined || pace.generationTokens <= 0) continue;
    sum += pace.generationTokens;
    known++;
  }
  return known === 0 ? ASSUMED_GENERATION_TOKENS : sum / known;
}

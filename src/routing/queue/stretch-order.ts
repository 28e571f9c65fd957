import type { QueuedRequest } from "./queued-request.ts";

/** What work costs a pod, in milliseconds. */
export type WorkCost = {
  readonly stepMs: number;
  /** Tokens an engine prefills in one step at most. */
  readonly stepTokens: number;
  readonly tokenMs: number;
  /** One new token attending to one before it. */
  readonly pairMs: number;
  /** One decode step reading one cached token. */
  readonly kvReadMs: number;
};

/** Llama-3.1-8B in bf16 on one H100: 2 ms a step, 21.5 us a token, 0.71 ns a pair, 43.5 ns a cached token read. */
const REFERENCE: WorkCost = { stepMs: 2, stepTokens: 8_192, tokenMs: 0.0215, pairMs: 0.71e-6, kvReadMs: 43.5e-6 };

/** The reference costs, scaled to pods that prefill this many tokens in a millisecond. */
export function workCostAt(prefillTokensPerMs: number): WorkCost {
  const scale = 1 / (prefillTokensPerMs * REFERENCE.tokenMs);
  return {
    stepMs: REFERENCE.stepMs * scale,
    stepTokens: REFERENCE.stepTokens,
    tokenMs: REFERENCE.tokenMs * scale,
    pairMs: REFERENCE.pairMs * scale,
    kvReadMs: REFERENCE.kvReadMs * scale,
  };
}

type Lengths = Pick<QueuedRequest<unknown>, "promptTokens" | "uncachedTokens" | "outputTokens">;

/**
 * Milliseconds of its own prefill: w = steps * step + c_tok * (n - h) + c_pair * (n - h) * (n + h) / 2, for a prompt of
 * n tokens of which h are cached.
 */
export function ownPrefillMs({ promptTokens, uncachedTokens }: Lengths, cost: WorkCost): number {
  const cached = promptTokens - uncachedTokens;
  return (
    cost.stepMs * Math.ceil(uncachedTokens / cost.stepTokens) +
    cost.tokenMs * uncachedTokens +
    (cost.pairMs * uncachedTokens * (promptTokens + cached)) / 2
  );
}

/**
 * Place in the order of bounded stretch, in milliseconds; the lowest goes first:
 *
 *     arrival + stretch * (w at the best hit + c_kv * n * output tokens)
 *
 * The order is the policy lab's formula Q (20 there; its mean TTFT at 0.70 of chat load: 2.4 s, in order of arrival
 * 26.7). It lets the small pass the large, but only for a time that grows with the large one's work: a request with 4 s
 * of work is overtaken by those that come within 80 s and by none later, so nothing starves.
 */
export function stretchRankMs(request: QueuedRequest<unknown>, stretch: number, cost: WorkCost): number {
  const decodeMs = cost.kvReadMs * request.promptTokens * request.outputTokens;
  return request.enqueuedAtMs + stretch * (ownPrefillMs(request, cost) + decodeMs);
}

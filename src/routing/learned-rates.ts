/**
 * What the router learns from answers: how fast pods prefill and how many bytes of text a token is. Starts from a
 * prior, forgets slowly, and a single odd answer cannot move it far.
 */
export type LearnedRates = {
  /** Prompt tokens a pod prefills in a millisecond. */
  readonly prefillTokensPerMs: number;
  readonly bytesPerToken: number;
};

/** The learned sums, as kept in a checkpoint. */
export type LearnedState = {
  readonly prefillTokens: number;
  readonly prefillMs: number;
  readonly textBytes: number;
  readonly textTokens: number;
};

/** 20 tokens/ms: about half of a Llama-3.1-8B on one H100, so that a cold start errs on the slow side. */
const PRIOR: LearnedState = { prefillTokens: 20 * 2_000, prefillMs: 2_000, textBytes: 4 * 4_000, textTokens: 4_000 };

/** Sums decay by this factor at each observation: a memory of some hundred answers. */
const KEEP = 0.995;
/** Waits with less work than this say more about overheads than about the prefill rate. */
const LEAST_PREFILL_TOKENS = 256;
/** One observation may say at most this many times faster or slower than what is believed. */
const MOST_SURPRISE = 8;

export class RateLearner {
  #state = PRIOR;

  get rates(): LearnedRates {
    const { prefillTokens, prefillMs, textBytes, textTokens } = this.#state;
    return { prefillTokensPerMs: prefillTokens / prefillMs, bytesPerToken: textBytes / textTokens };
  }

  get state(): LearnedState {
    return this.#state;
  }

  /** Takes up what a checkpoint kept. */
  restore(state: LearnedState): void {
    this.#state = state;
  }

  /** A first token came `waitMs` after a request was sent to a pod with `workTokens` to prefill, its own included. */
  observeFirstToken(workTokens: number, waitMs: number): void {
    if (workTokens < LEAST_PREFILL_TOKENS || !(waitMs > 0)) return;
    const { prefillTokensPerMs } = this.rates;
    const expectedMs = workTokens / prefillTokensPerMs;
    const boundedMs = Math.min(Math.max(waitMs, expectedMs / MOST_SURPRISE), expectedMs * MOST_SURPRISE);
    this.#state = {
      ...this.#state,
      prefillTokens: this.#state.prefillTokens * KEEP + workTokens,
      prefillMs: this.#state.prefillMs * KEEP + boundedMs,
    };
  }

  /**
   * An engine's events counted the tokens up to and including each of consecutive segments. The first count says nothing:
   * what came before it is unknown. Runs with a step back hold several prompts.
   */
  observeSegments(tokens: Uint32Array, segmentBytes: number): void {
    const counted = (tokens.at(-1) ?? 0) - (tokens[0] ?? 0);
    if (tokens.length < 2 || counted <= 0) return;
    for (let i = 1; i < tokens.length; i++) if ((tokens[i] as number) <= (tokens[i - 1] as number)) return;
    this.observePromptLength((tokens.length - 1) * segmentBytes, counted);
  }

  /** The engine counted `promptTokens` for a prompt of `promptBytes` bytes of text. */
  observePromptLength(promptBytes: number, promptTokens: number): void {
    if (promptBytes <= 0 || promptTokens <= 0) return;
    const ratio = promptBytes / promptTokens;
    if (ratio < 0.5 || ratio > 32) return;
    this.#state = {
      ...this.#state,
      textBytes: this.#state.textBytes * KEEP + promptBytes,
      textTokens: this.#state.textTokens * KEEP + promptTokens,
    };
  }
}

/**
 * What a prefill asks of an engine: new tokens, which the linear layers see, and pairs of a new token with a token of
 * its context, which attention sees. Works can be summed.
 */
export type PrefillWork = { readonly newTokens: number; readonly pairs: number };

/** The work of a prompt of which `cachedTokens` are in the cache. */
export function prefillWork(promptTokens: number, cachedTokens: number): PrefillWork {
  const newTokens = Math.max(0, promptTokens - cachedTokens);
  return { newTokens, pairs: (newTokens * (promptTokens + cachedTokens)) / 2 };
}

/** Milliseconds per token and per pair. */
export type PrefillRates = { readonly tokenMs: number; readonly pairMs: number };

/** How long a prefill takes an otherwise idle engine. */
export function prefillMs({ tokenMs, pairMs }: PrefillRates, { newTokens, pairs }: PrefillWork): number {
  return tokenMs * newTokens + pairMs * pairs;
}

/** The same for a prompt of which `cachedTokens` are in the cache, with nothing allocated: it is asked for every pod. */
export function promptPrefillMs({ tokenMs, pairMs }: PrefillRates, promptTokens: number, cachedTokens: number): number {
  const newTokens = promptTokens > cachedTokens ? promptTokens - cachedTokens : 0;
  return newTokens * (tokenMs + (pairMs * (promptTokens + cachedTokens)) / 2);
}

/**
 * Before anything was observed: half the speed of Llama-3.1-8B on one H100, attention equal to the linear layers at a
 * mean context of 32,000 tokens.
 */
const PRIOR: PrefillRates = { tokenMs: 0.05, pairMs: 0.05 / 32_000 };
/** The prior counts as this many observations, of prompts of these lengths. */
const PRIOR_WEIGHT = 4;
const PRIOR_TOKENS = [1_000, 60_000] as const;
/** Sums decay by this factor at each observation: a memory of some hundred first tokens. */
const KEEP = 0.995;
/** Waits with less work than this say more about overheads than about prefill. */
const LEAST_TOKENS = 256;
/** One observation may say at most this many times faster or slower than what is believed. */
const MOST_SURPRISE = 4;
/** Attention counts as much as the linear layers at a context between these lengths, whatever is observed. */
const LEAST_EVEN_CONTEXT = 8_000;
const MOST_EVEN_CONTEXT = 512_000;

/** The learned sums as a checkpoint keeps them. */
export type PrefillSums = {
  readonly tokenToken: number;
  readonly tokenPair: number;
  readonly pairPair: number;
  readonly tokenWait: number;
  readonly pairWait: number;
};

/**
 * Learns the rates of a deployment from waits for first tokens: least squares of the relative error over both of them,
 * with a fading memory.
 */
export class PrefillCostLearner {
  #rates = PRIOR;
  #tokenToken = 0;
  #tokenPair = 0;
  #pairPair = 0;
  #tokenWait = 0;
  #pairWait = 0;

  constructor() {
    for (const tokens of PRIOR_TOKENS) {
      const work = prefillWork(tokens, 0);
      for (let i = 0; i < PRIOR_WEIGHT; i++) this.#take(work, prefillMs(PRIOR, work));
    }
  }

  get rates(): PrefillRates {
    return this.#rates;
  }

  get sums(): PrefillSums {
    return {
      tokenToken: this.#tokenToken,
      tokenPair: this.#tokenPair,
      pairPair: this.#pairPair,
      tokenWait: this.#tokenWait,
      pairWait: this.#pairWait,
    };
  }

  /** Takes up saved sums. */
  restore({ tokenToken, tokenPair, pairPair, tokenWait, pairWait }: PrefillSums): void {
    this.#tokenToken = tokenToken;
    this.#tokenPair = tokenPair;
    this.#pairPair = pairPair;
    this.#tokenWait = tokenWait;
    this.#pairWait = pairWait;
    this.#solve();
  }

  /** A first token came `waitMs` after a request was sent to a pod that had `work` to do before it, its own included. */
  observe(work: PrefillWork, waitMs: number): void {
    if (work.newTokens < LEAST_TOKENS || !(waitMs > 0)) return;
    const expectedMs = prefillMs(this.#rates, work);
    this.#take(work, Math.min(Math.max(waitMs, expectedMs / MOST_SURPRISE), expectedMs * MOST_SURPRISE));
    this.#solve();
  }

  #take({ newTokens, pairs }: PrefillWork, waitMs: number): void {
    const expectedMs = prefillMs(this.#rates, { newTokens, pairs });
    const token = newTokens / expectedMs;
    const pair = pairs / expectedMs;
    const wait = waitMs / expectedMs;
    this.#tokenToken = this.#tokenToken * KEEP + token * token;
    this.#tokenPair = this.#tokenPair * KEEP + token * pair;
    this.#pairPair = this.#pairPair * KEEP + pair * pair;
    this.#tokenWait = this.#tokenWait * KEEP + token * wait;
    this.#pairWait = this.#pairWait * KEEP + pair * wait;
  }

  #solve(): void {
    const determinant = this.#tokenToken * this.#pairPair - this.#tokenPair ** 2;
    const tokenMs = (this.#tokenWait * this.#pairPair - this.#pairWait * this.#tokenPair) / determinant;
    const pairMs = (this.#pairWait * this.#tokenToken - this.#tokenWait * this.#tokenPair) / determinant;
    const evenContext = tokenMs / pairMs;
    if (tokenMs > 0 && evenContext >= LEAST_EVEN_CONTEXT && evenContext <= MOST_EVEN_CONTEXT) {
      this.#rates = { tokenMs, pairMs };
      return;
    }
    // Too few lengths were seen to tell the two apart, or something else makes waits: keep a likely ratio, the nearer one
    // (all attention, or none), and fit the speed alone.
    const evenAt = tokenMs <= 0 || evenContext < LEAST_EVEN_CONTEXT ? LEAST_EVEN_CONTEXT : MOST_EVEN_CONTEXT;
    const perToken = 1 / (pairMs <= 0 ? MOST_EVEN_CONTEXT : evenAt);
    const squares = this.#tokenToken + 2 * perToken * this.#tokenPair + perToken ** 2 * this.#pairPair;
    const speed = (this.#tokenWait + perToken * this.#pairWait) / squares;
    if (speed > 0) this.#rates = { tokenMs: speed, pairMs: speed * perToken };
  }
}

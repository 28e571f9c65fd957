/** Totals an engine counts since it started. An absent one is unknown. */
export type EngineTotals = {
  readonly promptTokens?: number | undefined;
  readonly generationTokens?: number | undefined;
  /** Requests whose times are in the sums below. */
  readonly timedRequests?: number | undefined;
  /** Sum of times spent waiting in the engine's queue. */
  readonly queueS?: number | undefined;
  /** Sum of times from arrival in the engine to the first token. */
  readonly firstTokenS?: number | undefined;
  /** Sum of times from arrival in the engine to the end of the answer. */
  readonly requestS?: number | undefined;
};

/** How an engine has been doing over about the last minute. Undefined is unknown. */
export type EnginePace = {
  readonly promptTokensPerS: number | undefined;
  readonly generationTokensPerS: number | undefined;
  /** Means of a request. */
  readonly queueMs: number | undefined;
  readonly firstTokenMs: number | undefined;
  readonly decodeMs: number | undefined;
  readonly promptTokens: number | undefined;
  readonly generationTokens: number | undefined;
};

const MEMORY_MS = 60_000;
const COUNTERS = ["promptTokens", "generationTokens", "timedRequests", "queueS", "firstTokenS", "requestS"] as const;
type Counter = (typeof COUNTERS)[number];

/**
 * Turns an engine's ever-growing totals into means and rates of the last minute (exponential memory). A histogram's
 * lifetime mean would take hours to notice that an engine has become slow; until there are two readings to compare, it
 * is all there is, and it counts as much as a single request.
 */
export class EnginePaceMeter {
  #last: { readonly totals: EngineTotals; readonly atMs: number } | undefined;
  readonly #sums = new Map<Counter, number>();
  #spanMs = 0;

  /** Takes a reading of `atMs` and tells the pace since. Counters that went back are a restarted engine's; one that is no newer than the last is ignored. */
  observe(totals: EngineTotals, atMs: number): EnginePace {
    const last = this.#last;
    if (last !== undefined && atMs <= last.atMs) return this.#pace();
    if (last === undefined || COUNTERS.some((counter) => (totals[counter] ?? 0) < (last.totals[counter] ?? 0))) {
      this.#begin(totals);
    } else {
      const keep = Math.exp((last.atMs - atMs) / MEMORY_MS);
      this.#spanMs = this.#spanMs * keep + (atMs - last.atMs);
      for (const counter of COUNTERS) {
        const total = totals[counter];
        const before = last.totals[counter];
        if (total === undefined || before === undefined) continue;
        this.#sums.set(counter, (this.#sums.get(counter) ?? 0) * keep + total - before);
      }
    }
    this.#last = { totals, atMs };
    return this.#pace();
  }

  #begin(totals: EngineTotals): void {
    this.#sums.clear();
    this.#spanMs = 0;
    const requests = totals.timedRequests ?? 0;
    if (requests === 0) return;
    for (const counter of COUNTERS) {
      const total = totals[counter];
      if (total !== undefined) this.#sums.set(counter, total / requests);
    }
  }

  #pace(): EnginePace {
    const requests = this.#sums.get("timedRequests") ?? 0;
    const mean = (counter: Counter, unit: number) => {
      const sum = this.#sums.get(counter);
      return sum === undefined || requests <= 0 ? undefined : (unit * sum) / requests;
    };
    const rate = (counter: Counter) => {
      const sum = this.#sums.get(counter);
      return sum === undefined || this.#spanMs === 0 ? undefined : (1_000 * sum) / this.#spanMs;
    };
    const firstTokenMs = mean("firstTokenS", 1_000);
    const requestMs = mean("requestS", 1_000);
    return {
      promptTokensPerS: rate("promptTokens"),
      generationTokensPerS: rate("generationTokens"),
      queueMs: mean("queueS", 1_000),
      firstTokenMs,
      decodeMs:
        firstTokenMs === undefined || requestMs === undefined ? undefined : Math.max(0, requestMs - firstTokenMs),
      promptTokens: mean("promptTokens", 1),
      generationTokens: mean("generationTokens", 1),
    };
  }
}

/** Pairs of an origin and a cluster that are kept; the pair that was heard of longest ago gives way. */
const MOST_PAIRS = 4_096;
/** How fast an estimate falls to a wait that is shorter, and rises to one that is longer. */
const FALL = 0.3;
const RISE = 0.05;
/** A wait counts as longer by no more than the estimate itself, and this. */
const MOST_RISE_MS = 20;

const NONE: ReadonlyMap<string, number> = new Map();

/**
 * The time that is lost on the way between where requests enter and the clusters they go to, learned from waits for
 * first tokens: what hardly any wait is without, once the predicted prefill is taken off. Follows the short waits and
 * is wary of the long ones, which have other reasons.
 */
export class NetworkDelays {
  readonly #byOrigin = new Map<string, Map<string, number>>();
  #pairs = 0;

  /** Delays in ms by cluster, as far as they are known from there. To be read only. */
  from(origin: string): ReadonlyMap<string, number> {
    return this.#byOrigin.get(origin) ?? NONE;
  }

  /** Origin, cluster and delay of the pairs heard of last, `most` at most. */
  entries(most: number): [string, string, number][] {
    const all = [...this.#byOrigin].flatMap(([origin, delays]) =>
      [...delays].map(([cluster, delayMs]): [string, string, number] => [origin, cluster, delayMs]),
    );
    return all.slice(-most);
  }

  /** Takes up saved entries. Only before anything was observed. */
  restore(entries: readonly (readonly [string, string, number])[]): void {
    for (const [origin, cluster, delayMs] of entries) {
      const delays = this.#byOrigin.get(origin) ?? new Map<string, number>();
      this.#byOrigin.set(origin, delays.set(cluster, delayMs));
      this.#pairs++;
    }
  }

  /** A first token came `waitMs` after its request was sent, `predictedMs` of which are the pod's own work. */
  observe(origin: string, cluster: string, waitMs: number, predictedMs: number): void {
    if (!(waitMs >= 0)) return;
    const delays = this.#byOrigin.get(origin) ?? new Map<string, number>();
    const known = delays.get(cluster);
    const excessMs = Math.max(0, waitMs - predictedMs);
    const before = known ?? 0;
    const offMs = excessMs - before;
    delays.set(cluster, before + (offMs < 0 ? FALL * offMs : RISE * Math.min(offMs, before + MOST_RISE_MS)));
    // Last used last.
    this.#byOrigin.delete(origin);
    this.#byOrigin.set(origin, delays);
    if (known === undefined && ++this.#pairs > MOST_PAIRS) this.#forgetOldest();
  }

  #forgetOldest(): void {
    for (const [origin, delays] of this.#byOrigin) {
      this.#byOrigin.delete(origin);
      this.#pairs -= delays.size;
      return;
    }
  }
}

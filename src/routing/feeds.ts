/** Where a feed stands: the collector start that writes it and the last sequence number taken from it. */
export type FeedPosition = {
  readonly instance: string;
  readonly sequence: number;
  /** Earlier starts of the same collector: a push signed by one of them is a replay. Newest last, bounded. */
  readonly retired: readonly string[];
};

const RETIRED_KEPT = 16;

/** `accepted` moves the feed on; `resync` too, but what came before is missing: its claims are to be sent anew. */
export type FeedVerdict = "accepted" | "resync" | "replayed";

/** Pushes a second that a router takes from all its feeds together: a tenth of the requests it is made for. */
const MOST_PUSHES_PER_S = 50;
const LEAST_SPACING_MS = 50;

/** Decides whether a push is new. Pure bookkeeping over (source, instance, sequence); no clock is involved. */
export class FeedLedger {
  readonly #positions = new Map<string, FeedPosition>();

  /** Takes up the positions of a checkpoint, and forgets all others. */
  restore(positions: Iterable<readonly [string, FeedPosition]>): void {
    this.#positions.clear();
    for (const [source, position] of positions) this.#positions.set(source, position);
  }

  /** Time between two pushes of a feed that has news, in ms: the more feeds, the longer. */
  get spacingMs(): number {
    return Math.max(LEAST_SPACING_MS, Math.ceil((1000 * this.#positions.size) / MOST_PUSHES_PER_S));
  }

  /** All positions, by source. */
  entries(): [string, FeedPosition][] {
    return [...this.#positions];
  }

  /** Takes a push's numbers. Everything but `replayed` has moved the feed to them. */
  take(source: string, instance: string, sequence: number): FeedVerdict {
    const position = this.#positions.get(source);
    if (position === undefined) {
      this.#positions.set(source, { instance, sequence, retired: [] });
      return "resync";
    }
    if (position.instance === instance) {
      if (sequence <= position.sequence) return "replayed";
      const expected = sequence === position.sequence + 1;
      this.#positions.set(source, { ...position, sequence });
      return expected ? "accepted" : "resync";
    }
    if (position.retired.includes(instance)) return "replayed";
    const retired = [...position.retired, position.instance].slice(-RETIRED_KEPT);
    this.#positions.set(source, { instance, sequence, retired });
    return "resync";
  }
}

/** How a session's next pause is judged: by the turns it has had. */
const CLASSES = 3;
const BINS = 24;
/** Bin i of idle times ends at 0.5 x 2^(i/2) s: from half a second to 24 minutes. */
const BIN_ENDS_MS = Float64Array.from({ length: BINS }, (_, i) => 500 * 2 ** (i / 2));
/** Before anything was seen, 0.3 of 2 sessions return in each bin. */
const PRIOR_RETURNED = 0.3;
const PRIOR_IDLE = 2;
/** Idle spells watched at the same time; of more, the oldest are forgotten. */
const MOST_SPELLS = 16_384;
/** Tables are summed up anew after this many observations. */
const STALE_AFTER = 64;

/** A session as far as its pauses matter. */
export type PausingSession = {
  /** Turns ended so far. */
  turns: number;
  /** When its last turn ended; undefined while one runs. */
  idleSinceMs: number | undefined;
  /** The idle spell that its last turn began, by which it is known when it returns. */
  spell?: number | undefined;
};

/** The life table as a checkpoint keeps it: by class and bin, in turn. Spells under way are not kept. */
export type ReturnTable = { readonly idle: readonly number[]; readonly returned: readonly number[] };

/**
 * When sessions come back: a life table of idle times (from the end of a turn to the next request) per class of turn
 * count. A bin's end is counted when it is reached, so sessions that never return are in the table as well.
 */
export class ReturnTimes {
  /** By class and bin: sessions idle at the bin's beginning, and those of them that returned within it. */
  readonly #idle = new Float64Array(CLASSES * BINS);
  readonly #returned = new Float64Array(CLASSES * BINS);
  /** By class and bin: minus the logarithm of the share still idle at the bin's end. */
  readonly #hazards = new Float64Array(CLASSES * BINS);
  #unsummed = 0;

  /** By spell, modulo their most: when it began, its class, and whether it lasts. In columns: bins read them in order. */
  readonly #sinceMs = new Float64Array(MOST_SPELLS);
  readonly #kinds = new Uint8Array(MOST_SPELLS);
  readonly #lasts = new Uint8Array(MOST_SPELLS);
  #spellCount = 0;
  /** By bin: the first spell that has not reached its end. */
  readonly #cursors = new Float64Array(BINS);

  constructor() {
    this.#sum();
  }

  get table(): ReturnTable {
    return { idle: [...this.#idle], returned: [...this.#returned] };
  }

  /** Takes up a saved table; one of other bins is no use. */
  restore({ idle, returned }: ReturnTable): void {
    if (idle.length !== this.#idle.length || returned.length !== this.#returned.length) return;
    this.#idle.set(idle);
    this.#returned.set(returned);
    this.#sum();
  }

  /** A session's turn has ended; its `idleSinceMs` and `turns` are set. */
  turnEnded(session: PausingSession, nowMs: number): void {
    const kind = kindOf(session);
    session.spell = this.#spellCount++;
    const at = session.spell % MOST_SPELLS;
    this.#sinceMs[at] = nowMs;
    this.#kinds[at] = kind;
    this.#lasts[at] = 1;
    this.#count(this.#idle, kind, 0);
    this.#advance(nowMs);
  }

  /** An idle session asks again. Called before its `idleSinceMs` is cleared. */
  returned(session: PausingSession, nowMs: number): void {
    if (session.idleSinceMs === undefined) return;
    this.#advance(nowMs);
    if (session.spell !== undefined && session.spell > this.#spellCount - 1 - MOST_SPELLS) {
      this.#lasts[session.spell % MOST_SPELLS] = 0;
    }
    const bin = binOf(nowMs - session.idleSinceMs);
    if (bin < BINS) this.#count(this.#returned, kindOf(session), bin);
  }

  /** The chance that a session, idle until now, asks again within `withinMs`. */
  chance(session: PausingSession, withinMs: number, nowMs: number): number {
    if (session.idleSinceMs === undefined) return 1;
    const idleMs = nowMs - session.idleSinceMs;
    const kind = kindOf(session);
    return 1 - Math.exp(this.#hazard(kind, idleMs) - this.#hazard(kind, idleMs + withinMs));
  }

  /** Cumulative hazard of an idle time, evenly spread inside a bin; nothing is known beyond the last. */
  #hazard(kind: number, idleMs: number): number {
    const bin = binOf(idleMs);
    const row = kind * BINS;
    const before = bin === 0 ? 0 : (this.#hazards[row + bin - 1] as number);
    if (bin >= BINS) return this.#hazards[row + BINS - 1] as number;
    const start = bin === 0 ? 0 : (BIN_ENDS_MS[bin - 1] as number);
    const share = (idleMs - start) / ((BIN_ENDS_MS[bin] as number) - start);
    return before + share * ((this.#hazards[row + bin] as number) - before);
  }

  #advance(nowMs: number): void {
    const oldest = Math.max(0, this.#spellCount - MOST_SPELLS);
    for (let bin = 0; bin < BINS - 1; bin++) {
      const endMs = BIN_ENDS_MS[bin] as number;
      let cursor = Math.max(this.#cursors[bin] as number, oldest);
      while (cursor < this.#spellCount) {
        const at = cursor % MOST_SPELLS;
        if ((this.#sinceMs[at] as number) + endMs > nowMs) break;
        if (this.#lasts[at] === 1) this.#count(this.#idle, this.#kinds[at] as number, bin + 1);
        cursor++;
      }
      this.#cursors[bin] = cursor;
    }
  }

  #count(table: Float64Array, kind: number, bin: number): void {
    const at = kind * BINS + bin;
    table[at] = (table[at] as number) + 1;
    if (++this.#unsummed >= STALE_AFTER) this.#sum();
  }

  #sum(): void {
    this.#unsummed = 0;
    for (let kind = 0; kind < CLASSES; kind++) {
      let hazard = 0;
      for (let at = kind * BINS; at < (kind + 1) * BINS; at++) {
        const returned = (this.#returned[at] as number) + PRIOR_RETURNED;
        const idle = (this.#idle[at] as number) + PRIOR_IDLE;
        hazard -= Math.log(1 - Math.min(0.99, returned / idle));
        this.#hazards[at] = hazard;
      }
    }
  }
}

/** First turns, second and third ones, and later ones differ. */
function kindOf({ turns }: PausingSession): number {
  return turns <= 1 ? 0 : turns <= 3 ? 1 : 2;
}

function binOf(idleMs: number): number {
  if (idleMs <= 500) return 0;
  return Math.ceil(2 * Math.log2(idleMs / 500));
}

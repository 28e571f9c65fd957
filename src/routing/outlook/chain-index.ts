/** Sets of four: an entry lives in the set of its hash, and a new one takes the place of the one placed longest ago. */
const WAYS = 4;
const MOST_TAKEOVERS = 255;

/** What is known of a prompt's deepest marked segment. */
export type DeepestMark<Chain> = {
  /** The chain that marked it last. */
  readonly chain: Chain;
  /** Segments of the prompt up to it. */
  readonly segments: number;
  /** How often a chain took the mark from another, less how often one kept its own. */
  readonly takeovers: number;
};

/** An entry: the marked segment, low and high; the id of the chain that marked it last, 0 where there is none; takeovers. */
const ENTRY_WORDS = 4;
const HIGH = 1;
const OWNER = 2;
const TAKEOVERS = 3;

/**
 * Finds the chain that a prompt continues by the segments it was last seen with. Marks the first, second, fourth
 * and eighth segment of a prompt and every 16th, which is close enough to tell chains apart. Of fixed size; old marks
 * give way to new ones. Chains count their ids up from 1: of many that have marks, the first are forgotten.
 */
export class ChainIndex<Chain extends { readonly id: number }> {
  readonly #sets: number;
  /** A set is a cache line: a look-up reads one and no object. */
  readonly #entries: Uint32Array;
  /** By set: the way that is replaced next. */
  readonly #turns: Uint8Array;
  /** By id, modulo their most. */
  readonly #chains: (Chain | undefined)[];

  /** `marks` is rounded up to a power of two; a quarter as many chains are known. */
  constructor(marks: number) {
    this.#sets = 2 ** Math.ceil(Math.log2(marks / WAYS));
    this.#entries = new Uint32Array(this.#sets * WAYS * ENTRY_WORDS);
    this.#turns = new Uint8Array(this.#sets);
    this.#chains = new Array<Chain | undefined>(this.#sets).fill(undefined);
  }

  /** The deepest of a prompt's segments that has a mark. */
  deepest(segments: Uint32Array): DeepestMark<Chain> | undefined {
    const entries = this.#entries;
    for (let depth = lastMark(segments.length / 2); depth > 0; depth = previousMark(depth)) {
      const at = this.#find(segments[2 * depth - 2] as number, segments[2 * depth - 1] as number);
      if (at < 0) continue;
      const id = entries[at + OWNER] as number;
      const chain = this.#chains[id & (this.#sets - 1)];
      if (chain?.id === id) return { chain, segments: depth, takeovers: entries[at + TAKEOVERS] as number };
    }
    return undefined;
  }

  /** Marks a prompt as the chain's. */
  mark(segments: Uint32Array, chain: Chain): void {
    const entries = this.#entries;
    const { id } = chain;
    this.#chains[id & (this.#sets - 1)] = chain;
    for (let depth = lastMark(segments.length / 2); depth > 0; depth = previousMark(depth)) {
      const low = segments[2 * depth - 2] as number;
      const high = segments[2 * depth - 1] as number;
      const at = this.#find(low, high);
      if (at < 0) {
        this.#insert(low, high, id);
      } else {
        entries[at + TAKEOVERS] = takeoversAfter(entries[at + TAKEOVERS] as number, entries[at + OWNER] === id);
        entries[at + OWNER] = id;
      }
    }
  }

  #insert(low: number, high: number, id: number): void {
    const set = this.#setOf(low);
    const way = this.#turns[set] as number;
    this.#turns[set] = (way + 1) % WAYS;
    const at = (set * WAYS + way) * ENTRY_WORDS;
    this.#entries[at] = low;
    this.#entries[at + HIGH] = high;
    this.#entries[at + OWNER] = id;
    this.#entries[at + TAKEOVERS] = 0;
  }

  /** Where the segment's entry begins; -1 without one. */
  #find(low: number, high: number): number {
    const entries = this.#entries;
    const from = this.#setOf(low) * WAYS * ENTRY_WORDS;
    for (let at = from; at < from + WAYS * ENTRY_WORDS; at += ENTRY_WORDS) {
      if (entries[at] === low && entries[at + HIGH] === high && entries[at + OWNER] !== 0) return at;
    }
    return -1;
  }

  #setOf(low: number): number {
    return low & (this.#sets - 1);
  }
}

function takeoversAfter(before: number, kept: boolean): number {
  return kept ? Math.max(0, before - 1) : Math.min(MOST_TAKEOVERS, before + 1);
}

const STRIDE = 16;

/** 1, 2, 4, 8 and the multiples of 16: never less than half of a prompt. */
function lastMark(segments: number): number {
  if (segments >= STRIDE) return Math.floor(segments / STRIDE) * STRIDE;
  return segments === 0 ? 0 : 2 ** Math.floor(Math.log2(segments));
}

function previousMark(depth: number): number {
  return depth <= STRIDE ? depth >> 1 : depth - STRIDE;
}

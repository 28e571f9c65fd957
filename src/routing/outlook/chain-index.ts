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

/**
 * Finds the chain that a prompt continues by the segments it was last seen with. Marks the first, second, fourth
 * and eighth segment of a prompt and every 16th, which is close enough to tell chains apart. Of fixed size; old marks
 * give way to new ones.
 */
export class ChainIndex<Chain> {
  readonly #sets: number;
  /** Low and high words of the marked segments in turn: a set is half a cache line. */
  readonly #marked: Uint32Array;
  readonly #chains: (Chain | undefined)[];
  readonly #takeovers: Uint8Array;
  /** By set: the way that is replaced next. */
  readonly #turns: Uint8Array;

  /** `marks` is rounded up to a power of two. */
  constructor(marks: number) {
    this.#sets = 2 ** Math.ceil(Math.log2(marks / WAYS));
    this.#marked = new Uint32Array(2 * this.#sets * WAYS);
    this.#chains = new Array<Chain | undefined>(this.#sets * WAYS).fill(undefined);
    this.#takeovers = new Uint8Array(this.#sets * WAYS);
    this.#turns = new Uint8Array(this.#sets);
  }

  /** The deepest of a prompt's segments that has a mark. */
  deepest(segments: Uint32Array): DeepestMark<Chain> | undefined {
    for (let depth = lastMark(segments.length / 2); depth > 0; depth = previousMark(depth)) {
      const at = this.#find(segments[2 * depth - 2] as number, segments[2 * depth - 1] as number);
      const chain = at < 0 ? undefined : this.#chains[at];
      if (chain !== undefined) return { chain, segments: depth, takeovers: this.#takeovers[at] as number };
    }
    return undefined;
  }

  /** Marks a prompt as the chain's. */
  mark(segments: Uint32Array, chain: Chain): void {
    for (let depth = lastMark(segments.length / 2); depth > 0; depth = previousMark(depth)) {
      const low = segments[2 * depth - 2] as number;
      const high = segments[2 * depth - 1] as number;
      let at = this.#find(low, high);
      if (at < 0) {
        const set = this.#setOf(low);
        const way = this.#turns[set] as number;
        this.#turns[set] = (way + 1) % WAYS;
        at = set * WAYS + way;
        this.#marked[2 * at] = low;
        this.#marked[2 * at + 1] = high;
        this.#takeovers[at] = 0;
      } else {
        this.#takeovers[at] = takeoversAfter(this.#takeovers[at] as number, this.#chains[at] === chain);
      }
      // Mostly it is the chain's own mark already: a write is more to the garbage collector than to the index.
      if (this.#chains[at] !== chain) this.#chains[at] = chain;
    }
  }

  #find(low: number, high: number): number {
    const from = this.#setOf(low) * WAYS;
    for (let at = from; at < from + WAYS; at++) {
      if (this.#marked[2 * at] === low && this.#marked[2 * at + 1] === high) return at;
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

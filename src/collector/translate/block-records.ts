import { NO_TOKEN, TOKEN_BYTES, TokenChunk } from "./token-chunk.ts";

/** A block's number in its table; 0 is none. */
export type BlockIndex = number;

/** No block. */
export const NIL: BlockIndex = 0;

const CHUNK_BITS = 12;
const CHUNK_SIZE = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK_SIZE - 1;
/** Room for every block has that of the largest: one large block must not multiply a table. */
const MOST_BYTES = 256 * 1024 * 1024;

/** Words of a record. */
export const FIELD = {
  keyLow: 0,
  keyHigh: 1,
  nextInBucket: 2,
  /** The block before it; in the first block of a sequence the number of its scope. */
  parentOrScope: 3,
  /** The block behind it, where it is the only one. */
  onlyChild: 4,
  /** Segment hash at the last segment's end at or before the block's end; the chain's seed before the first one. */
  chainLow: 5,
  chainHigh: 6,
  /** Upper 20 bits: tokens of the prompt up to the block's end. Lower 12: bytes since the last segment's end. */
  tokensAndBytes: 7,
  flags: 8,
  /** Low half: cache groups that have it on the GPU, a bit each. High half: its number of tokens. */
  groupsAndTokens: 9,
} as const;

const WORDS = 10;

/**
 * Block records in typed arrays, 40 bytes each and 2.25 for each token, allocated 4,096 at a time and never moved. Freed
 * records are used again. Knows nothing of what the words mean.
 */
export class BlockRecords {
  readonly #chunks: Uint32Array[] = [];
  #tokens: TokenChunk[] = [];
  /** Room for tokens in a record. */
  #stride = 0;
  #allocated = 1;
  #freeHead: BlockIndex = NIL;
  #live = 0;

  /** One more than the highest number in use. */
  get limit(): number {
    return this.#allocated;
  }

  /** Records in use. */
  get live(): number {
    return this.#live;
  }

  get allocatedBytes(): number {
    return this.#chunks.length * CHUNK_SIZE * (4 * WORDS + TOKEN_BYTES * this.#stride);
  }

  /** Whether one more block of so many tokens can be kept. */
  hasRoom(tokens: number): boolean {
    const stride = Math.max(this.#stride, tokens);
    const full = this.#freeHead === NIL && this.#allocated >>> CHUNK_BITS >= this.#chunks.length;
    if (stride === this.#stride && !full) return true;
    const chunks = this.#chunks.length + (full ? 1 : 0);
    return chunks * CHUNK_SIZE * (4 * WORDS + TOKEN_BYTES * stride) <= MOST_BYTES;
  }

  /** A record, all zero. */
  allocate(): BlockIndex {
    this.#live++;
    if (this.#freeHead !== NIL) {
      const index = this.#freeHead;
      this.#freeHead = this.get(index, FIELD.nextInBucket);
      this.set(index, FIELD.nextInBucket, 0);
      return index;
    }
    const index = this.#allocated++;
    if (index >>> CHUNK_BITS >= this.#chunks.length) {
      this.#chunks.push(new Uint32Array(CHUNK_SIZE * WORDS));
      this.#tokens.push(new TokenChunk(CHUNK_SIZE * this.#stride));
    }
    return index;
  }

  free(index: BlockIndex): void {
    const chunk = this.#chunks[index >>> CHUNK_BITS] as Uint32Array;
    const base = (index & CHUNK_MASK) * WORDS;
    chunk.fill(0, base, base + WORDS);
    chunk[base + FIELD.nextInBucket] = this.#freeHead;
    this.#freeHead = index;
    this.#live--;
  }

  get(index: BlockIndex, field: number): number {
    return (this.#chunks[index >>> CHUNK_BITS] as Uint32Array)[(index & CHUNK_MASK) * WORDS + field] as number;
  }

  set(index: BlockIndex, field: number, value: number): void {
    (this.#chunks[index >>> CHUNK_BITS] as Uint32Array)[(index & CHUNK_MASK) * WORDS + field] = value;
  }

  token(index: BlockIndex, place: number): number {
    return (this.#tokens[index >>> CHUNK_BITS] as TokenChunk).get((index & CHUNK_MASK) * this.#stride + place);
  }

  /** Keeps the tokens `ids[from]` up to `ids[from + count]`. Ids from `NO_TOKEN` on become that. */
  setTokens(index: BlockIndex, ids: ArrayLike<number>, from: number, count: number): void {
    if (count > this.#stride) this.#widen(count);
    const chunk = this.#tokens[index >>> CHUNK_BITS] as TokenChunk;
    const base = (index & CHUNK_MASK) * this.#stride;
    for (let i = 0; i < count; i++) chunk.set(base + i, kept(ids[from + i] as number));
  }

  /** Whether exactly these tokens are kept; `count` of them were set. */
  hasTokens(index: BlockIndex, ids: ArrayLike<number>, from: number, count: number): boolean {
    for (let i = 0; i < count; i++) {
      if (this.token(index, i) !== kept(ids[from + i] as number)) return false;
    }
    return true;
  }

  /** A larger block than any before: rare enough to move what is there. */
  #widen(stride: number): void {
    const narrow = this.#stride;
    this.#tokens = this.#tokens.map((chunk) => {
      const wide = new TokenChunk(CHUNK_SIZE * stride);
      for (let record = 0; record < CHUNK_SIZE; record++) {
        for (let i = 0; i < narrow; i++) wide.set(record * stride + i, chunk.get(record * narrow + i));
      }
      return wide;
    });
    this.#stride = stride;
  }
}

function kept(id: number): number {
  return id >= 0 && id < NO_TOKEN ? id : NO_TOKEN;
}

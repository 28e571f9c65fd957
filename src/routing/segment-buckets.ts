import { CLAIM_ID_BITS, type ClaimId, type ClaimPages, HIGH, LOW, NIL } from "./claim-pages.ts";

const CLAIM_ID_MASK = (1 << CLAIM_ID_BITS) - 1;

/** A bucket is eight words, half a cache line: seven slots and the number of the bucket that takes what spills over. */
const BUCKET_BITS = 3;
const SLOTS = 7;
const SPILL = 7;
const ARENA_BITS = 11;
const ARENA_MASK = (1 << ARENA_BITS) - 1;
const ARENA_WORDS = 1 << (ARENA_BITS + BUCKET_BITS);

/** Segments per bucket, over all, at which the table grows. */
const MOST_LOAD = 6;
/** Buckets it grows by: the cache misses of several overlap. Divides the number of buckets it begins with. */
const SPLIT_TOGETHER = 4;

/**
 * Where the claims on a segment begin: segment hash -> its first claim.
 *
 * A slot holds the claim's number and ten bits of the hash, so that a look-up reads one cache line to say no and two to
 * say yes. Buckets grow a few at a time in arenas (linear hashing): nothing is ever copied to a larger table, and the cost
 * of growth falls on each new segment alike. Slots of a bucket are used from the front.
 */
export class SegmentBuckets {
  readonly #claims: ClaimPages;
  readonly #arenas: Uint32Array[] = [new Uint32Array(ARENA_WORDS)];
  #count = 16;
  /** Buckets at the start of the current doubling: a power of two. */
  #base = 16;
  #segments = 0;

  readonly #spillArenas: Uint32Array[] = [new Uint32Array(ARENA_WORDS)];
  #spills = 1;
  #freeSpill = NIL;
  readonly #moving: number[] = [];
  readonly #lows: number[] = [];
  /** Where the slots of each bucket that is split end in `#moving`. */
  readonly #drained = new Uint32Array(SPLIT_TOGETHER);

  constructor(claims: ClaimPages) {
    this.#claims = claims;
  }

  get allocatedBytes(): number {
    return (this.#arenas.length + this.#spillArenas.length) * ARENA_WORDS * 4;
  }

  /** The first claim on the segment at `keys[at]`, NIL without one. */
  find(keys: Uint32Array, at: number): ClaimId {
    const low = keys[at] as number;
    const high = keys[at + 1] as number;
    const tag = high >>> CLAIM_ID_BITS;
    let bucket = this.#bucketOf(low);
    let arenas = this.#arenas;
    for (;;) {
      const arena = arenas[bucket >>> ARENA_BITS] as Uint32Array;
      const base = (bucket & ARENA_MASK) << BUCKET_BITS;
      for (let i = base; i < base + SLOTS; i++) {
        const slot = arena[i] as number;
        if (slot === 0) return NIL;
        if (slot >>> CLAIM_ID_BITS !== tag) continue;
        const claim = slot & CLAIM_ID_MASK;
        const words = this.#claims.arena(claim);
        const word = this.#claims.base(claim);
        if (words[word + LOW] === low && words[word + HIGH] === high) return claim;
      }
      bucket = arena[base + SPILL] as number;
      if (bucket === NIL) return NIL;
      arenas = this.#spillArenas;
    }
  }

  /**
   * Reads the bucket of every segment in `keys`, `step` words apart. A look-up waits for its cache miss before the next
   * begins; these reads depend on nothing, so their misses overlap and the look-ups that follow have none.
   */
  warm(keys: Uint32Array, step: number): void {
    let read = 0;
    for (let at = 0; at < keys.length; at += step) {
      const bucket = this.#bucketOf(keys[at] as number);
      read ^= (this.#arenas[bucket >>> ARENA_BITS] as Uint32Array)[(bucket & ARENA_MASK) << BUCKET_BITS] as number;
    }
    // Kept, or the compiler would drop reads of which nothing comes.
    this.#lows[0] = read;
  }

  /** Adds a segment that is not there. */
  add(keys: Uint32Array, at: number, claim: ClaimId): void {
    const tag = (keys[at + 1] as number) >>> CLAIM_ID_BITS;
    this.#append(this.#bucketOf(keys[at] as number), ((tag << CLAIM_ID_BITS) | claim) >>> 0);
    this.#segments++;
    if (this.#segments > this.#count * MOST_LOAD) this.#split();
  }

  /** Lets a segment begin with another claim. False if it did not begin with `from`. */
  replace(keys: Uint32Array, at: number, from: ClaimId, to: ClaimId): boolean {
    let bucket = this.#bucketOf(keys[at] as number);
    let arenas = this.#arenas;
    for (;;) {
      const arena = arenas[bucket >>> ARENA_BITS] as Uint32Array;
      const base = (bucket & ARENA_MASK) << BUCKET_BITS;
      for (let i = base; i < base + SLOTS; i++) {
        const slot = arena[i] as number;
        if (slot === 0) return false;
        if ((slot & CLAIM_ID_MASK) !== from) continue;
        arena[i] = ((slot & ~CLAIM_ID_MASK) | to) >>> 0;
        return true;
      }
      bucket = arena[base + SPILL] as number;
      if (bucket === NIL) return false;
      arenas = this.#spillArenas;
    }
  }

  /** Takes out a segment: the last of its bucket moves into its slot. False if it did not begin with `claim`. */
  remove(keys: Uint32Array, at: number, claim: ClaimId): boolean {
    let bucket = this.#bucketOf(keys[at] as number);
    let arena = this.#arenas[bucket >>> ARENA_BITS] as Uint32Array;
    let base = (bucket & ARENA_MASK) << BUCKET_BITS;
    let hole: Uint32Array | undefined;
    let holeAt = 0;
    let linkedFrom: Uint32Array | undefined;
    let linkAt = 0;
    for (;;) {
      let i = base;
      while (i < base + SLOTS && arena[i] !== 0) {
        if (((arena[i] as number) & CLAIM_ID_MASK) === claim) {
          hole = arena;
          holeAt = i;
        }
        i++;
      }
      const spill = arena[base + SPILL] as number;
      if (spill !== NIL) {
        linkedFrom = arena;
        linkAt = base + SPILL;
        bucket = spill;
        arena = this.#spillArenas[bucket >>> ARENA_BITS] as Uint32Array;
        base = (bucket & ARENA_MASK) << BUCKET_BITS;
        continue;
      }
      if (hole === undefined) return false;
      hole[holeAt] = arena[i - 1] as number;
      arena[i - 1] = 0;
      this.#segments--;
      if (i - 1 === base && linkedFrom !== undefined) {
        linkedFrom[linkAt] = NIL;
        this.#giveBack(bucket);
      }
      return true;
    }
  }

  /** Buckets below the split point use the next doubling's mask. */
  #bucketOf(low: number): number {
    const wide = low & (2 * this.#base - 1);
    return wide < this.#count ? wide : wide - this.#base;
  }

  #append(bucket: number, slot: number): void {
    let arenas = this.#arenas;
    for (;;) {
      const arena = arenas[bucket >>> ARENA_BITS] as Uint32Array;
      const base = (bucket & ARENA_MASK) << BUCKET_BITS;
      for (let i = base; i < base + SLOTS; i++) {
        if (arena[i] !== 0) continue;
        arena[i] = slot;
        return;
      }
      bucket = arena[base + SPILL] as number;
      if (bucket === NIL) {
        bucket = this.#takeSpill();
        arena[base + SPILL] = bucket;
      }
      arenas = this.#spillArenas;
    }
  }

  #split(): void {
    const first = this.#count;
    if (first >>> ARENA_BITS >= this.#arenas.length) this.#arenas.push(new Uint32Array(ARENA_WORDS));
    let moving = 0;
    for (let i = 0; i < SPLIT_TOGETHER; i++) {
      moving = this.#drain(first - this.#base + i, moving);
      this.#drained[i] = moving;
    }
    // Read all hashes before any branch depends on one: then their cache misses overlap.
    for (let i = 0; i < moving; i++) {
      const claim = (this.#moving[i] as number) & CLAIM_ID_MASK;
      this.#lows[i] = this.#claims.arena(claim)[this.#claims.base(claim) + LOW] as number;
    }
    for (let i = 0, next = 0; i < SPLIT_TOGETHER; i++) {
      const to = first + i;
      for (; next < (this.#drained[i] as number); next++) {
        const bucket = ((this.#lows[next] as number) & this.#base) === 0 ? to - this.#base : to;
        this.#append(bucket, this.#moving[next] as number);
      }
    }
    this.#count += SPLIT_TOGETHER;
    if (this.#count === 2 * this.#base) this.#base *= 2;
  }

  /** Empties a bucket into `#moving`, from `at` on. Returns where its slots end there. */
  #drain(first: number, at: number): number {
    let end = at;
    let bucket = first;
    let arenas = this.#arenas;
    for (;;) {
      const arena = arenas[bucket >>> ARENA_BITS] as Uint32Array;
      const base = (bucket & ARENA_MASK) << BUCKET_BITS;
      for (let i = base; i < base + SLOTS && arena[i] !== 0; i++) {
        this.#moving[end++] = arena[i] as number;
        arena[i] = 0;
      }
      const spill = arena[base + SPILL] as number;
      arena[base + SPILL] = NIL;
      if (arenas === this.#spillArenas) this.#giveBack(bucket);
      if (spill === NIL) return end;
      bucket = spill;
      arenas = this.#spillArenas;
    }
  }

  #takeSpill(): number {
    if (this.#freeSpill !== NIL) {
      const bucket = this.#freeSpill;
      const arena = this.#spillArenas[bucket >>> ARENA_BITS] as Uint32Array;
      const link = ((bucket & ARENA_MASK) << BUCKET_BITS) + SPILL;
      this.#freeSpill = arena[link] as number;
      arena[link] = NIL;
      return bucket;
    }
    const bucket = this.#spills++;
    if (bucket >>> ARENA_BITS >= this.#spillArenas.length) this.#spillArenas.push(new Uint32Array(ARENA_WORDS));
    return bucket;
  }

  #giveBack(bucket: number): void {
    const arena = this.#spillArenas[bucket >>> ARENA_BITS] as Uint32Array;
    arena[((bucket & ARENA_MASK) << BUCKET_BITS) + SPILL] = this.#freeSpill;
    this.#freeSpill = bucket;
  }
}

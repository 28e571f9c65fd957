import { Crowds } from "./crowds.ts";
import { holderWord, type PodSlot, slotOf } from "./holder-word.ts";

/**
 * Which pods hold which segments: one entry (a *claim*) per pair of segment and pod, in typed arrays. A claim can carry
 * how many tokens the prompt has up to and including its segment.
 *
 * Claims with equal segment hashes share a bucket chain, so a look-up walks just the holders of one segment. The
 * claims of a pod form a list from the most to the least recently touched: clearing a pod and evicting its oldest
 * claim cost no search. Entries live in arenas of fixed size and buckets grow one at a time (linear hashing), so
 * growth never copies the table.
 *
 * 24 bytes an entry, 28 with stamps, and 4 a bucket, one bucket per two entries.
 */

const LOW = 0;
const HIGH = 1;
const NEXT_IN_BUCKET = 2;
const HOLDER = 3;
const NEWER = 4;
const OLDER = 5;
const STAMP = 6;
const PLAIN_STRIDE = 6;
const STAMPED_STRIDE = 7;

const ARENA_BITS = 14;
const ARENA_SIZE = 1 << ARENA_BITS;
const ARENA_MASK = ARENA_SIZE - 1;
const NIL = 0;

/** Bytes of a claim without and with a stamp, its part of the buckets included. */
export const PLAIN_CLAIM_BYTES = 4 * PLAIN_STRIDE + 2;
export const STAMPED_CLAIM_BYTES = 4 * STAMPED_STRIDE + 2;

/** A segment with this many holders is also kept packed, until it has fewer than half of them. */
const CROWD = 8;

/** The table. Not thread-safe and without a clock: stamps are the caller's. */
export class ClaimTable {
  readonly #stride: number;
  readonly #arenas: Uint32Array[] = [];
  #allocated = 1;
  #freeHead = NIL;
  #size = 0;
  readonly #crowds = new Crowds();
  #walked = 0;
  readonly #few = new Uint32Array(CROWD);

  readonly #buckets: Uint32Array[] = [new Uint32Array(ARENA_SIZE)];
  #bucketCount = 16;
  /** Buckets at the start of the current doubling: a power of two. */
  #bucketBase = 16;

  readonly #newest: number[] = [];
  readonly #oldest: number[] = [];
  readonly #podSizes: number[] = [];

  /** A table with stamps can evict by age and take a claim back only if it is untouched. */
  constructor(options: { readonly stamped: boolean }) {
    this.#stride = options.stamped ? STAMPED_STRIDE : PLAIN_STRIDE;
  }

  /** Claims in the table. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of typed arrays allocated. */
  get allocatedBytes(): number {
    return (this.#arenas.length * this.#stride + this.#buckets.length) * ARENA_SIZE * 4;
  }

  /** Claims of one pod. */
  podSize(pod: PodSlot): number {
    return this.#podSizes[pod] ?? 0;
  }

  /**
   * Adds a claim or touches the one that is there, with the token count of the prompt up to it and, in a table that has
   * them, a stamp. True if it is new.
   */
  put(low: number, high: number, pod: PodSlot, tokens: number, stamp = 0): boolean {
    const crowded = this.#crowds.has(low, high);
    const found = crowded && !this.#crowds.includes(low, high, pod) ? NIL : this.#find(low, high, pod);
    const holder = holderWord(pod, tokens);
    if (found !== NIL) {
      const before = this.#read(found, HOLDER);
      if (before !== holder) {
        this.#write(found, HOLDER, holder);
        this.#crowds.update(low, high, before, holder);
      }
      if (this.#stride === STAMPED_STRIDE) this.#write(found, STAMP, stamp);
      if (this.#newest[pod] !== found) {
        this.#unlinkFromPod(found, pod);
        this.#linkAsNewest(found, pod);
      }
      return false;
    }
    const entry = this.#allocate();
    const arena = this.#arenas[entry >>> ARENA_BITS] as Uint32Array;
    const base = (entry & ARENA_MASK) * this.#stride;
    arena[base + LOW] = low;
    arena[base + HIGH] = high;
    arena[base + HOLDER] = holder;
    if (this.#stride === STAMPED_STRIDE) arena[base + STAMP] = stamp;
    const bucket = this.#bucketOf(low);
    arena[base + NEXT_IN_BUCKET] = this.#head(bucket);
    this.#setHead(bucket, entry);
    this.#linkAsNewest(entry, pod);
    this.#podSizes[pod] = (this.#podSizes[pod] ?? 0) + 1;
    this.#size++;
    if (crowded) this.#crowds.join(low, high, holder);
    else if (this.#walked === CROWD - 1) {
      this.#walk(low, high, this.#few, 0);
      this.#crowds.gather(low, high, this.#few);
    }
    if (this.#size > this.#bucketCount * 2) this.#splitBucket();
    return true;
  }

  /** Removes a claim. With `stamp`, only if nobody touched it since. True if it was there. */
  remove(low: number, high: number, pod: PodSlot, stamp?: number): boolean {
    const entry = this.#find(low, high, pod);
    if (entry === NIL) return false;
    if (stamp !== undefined && this.#read(entry, STAMP) !== stamp >>> 0) return false;
    this.#delete(entry);
    return true;
  }

  /** True if the pod holds the segment. */
  has(low: number, high: number, pod: PodSlot): boolean {
    return this.#find(low, high, pod) !== NIL;
  }

  /** Writes the holder words of a segment to `out` from `offset` on and returns how many there are. */
  holders(low: number, high: number, out: Uint32Array, offset: number): number {
    const crowd = this.#crowds.holders(low, high, out, offset);
    return crowd === -1 ? this.#walk(low, high, out, offset) : crowd;
  }

  #walk(low: number, high: number, out: Uint32Array, offset: number): number {
    let count = 0;
    let entry = this.#head(this.#bucketOf(low));
    while (entry !== NIL) {
      const arena = this.#arenas[entry >>> ARENA_BITS] as Uint32Array;
      const base = (entry & ARENA_MASK) * this.#stride;
      if (arena[base + LOW] === low && arena[base + HIGH] === high) {
        out[offset + count] = arena[base + HOLDER] as number;
        count++;
      }
      entry = arena[base + NEXT_IN_BUCKET] as number;
    }
    return count;
  }

  /** Calls `visit` with every segment that a pod holds, the latest touched first. The table must not change meanwhile. */
  forEach(pod: PodSlot, visit: (low: number, high: number) => void): void {
    for (let entry = this.#newest[pod] ?? NIL; entry !== NIL; entry = this.#read(entry, OLDER)) {
      visit(this.#read(entry, LOW), this.#read(entry, HIGH));
    }
  }

  /** The claim of a pod that nobody touched for longest. */
  oldest(pod: PodSlot): { readonly low: number; readonly high: number } | undefined {
    const entry = this.#oldest[pod] ?? NIL;
    return entry === NIL ? undefined : { low: this.#read(entry, LOW), high: this.#read(entry, HIGH) };
  }

  /** Removes all claims of a pod, in time proportional to their number. Returns how many there were. */
  clearPod(pod: PodSlot): number {
    let removed = 0;
    for (let entry = this.#newest[pod] ?? NIL; entry !== NIL; entry = this.#newest[pod] ?? NIL) {
      this.#delete(entry);
      removed++;
    }
    return removed;
  }

  /** Removes the claims of a pod that nobody touched for longest, down to `keep` of them. Returns how many went. */
  evictDownTo(pod: PodSlot, keep: number): number {
    let removed = 0;
    while (this.podSize(pod) > keep) {
      this.#delete(this.#oldest[pod] as number);
      removed++;
    }
    return removed;
  }

  /** Removes the claims of a pod whose stamp is below `minimum`, oldest first. Returns how many went. */
  evictStampsBelow(pod: PodSlot, minimum: number): number {
    let removed = 0;
    for (let entry = this.#oldest[pod] ?? NIL; entry !== NIL; entry = this.#oldest[pod] ?? NIL) {
      if (this.#read(entry, STAMP) >= minimum) break;
      this.#delete(entry);
      removed++;
    }
    return removed;
  }

  /** The entry of a claim. Without one, `#walked` tells how many other pods hold the segment. */
  #find(low: number, high: number, pod: PodSlot): number {
    let walked = 0;
    let entry = this.#head(this.#bucketOf(low));
    while (entry !== NIL) {
      const arena = this.#arenas[entry >>> ARENA_BITS] as Uint32Array;
      const base = (entry & ARENA_MASK) * this.#stride;
      if (arena[base + LOW] === low && arena[base + HIGH] === high) {
        if (slotOf(arena[base + HOLDER] as number) === pod) return entry;
        walked++;
      }
      entry = arena[base + NEXT_IN_BUCKET] as number;
    }
    this.#walked = walked;
    return NIL;
  }

  #delete(entry: number): void {
    const holder = this.#read(entry, HOLDER);
    const low = this.#read(entry, LOW);
    const pod = slotOf(holder);
    const bucket = this.#bucketOf(low);
    this.#crowds.leave(low, this.#read(entry, HIGH), holder, CROWD / 2);
    const next = this.#read(entry, NEXT_IN_BUCKET);
    let walker = this.#head(bucket);
    if (walker === entry) {
      this.#setHead(bucket, next);
    } else {
      while (this.#read(walker, NEXT_IN_BUCKET) !== entry) walker = this.#read(walker, NEXT_IN_BUCKET);
      this.#write(walker, NEXT_IN_BUCKET, next);
    }
    this.#unlinkFromPod(entry, pod);
    this.#podSizes[pod] = (this.#podSizes[pod] as number) - 1;
    this.#size--;
    this.#write(entry, NEXT_IN_BUCKET, this.#freeHead);
    this.#freeHead = entry;
  }

  #allocate(): number {
    if (this.#freeHead !== NIL) {
      const entry = this.#freeHead;
      this.#freeHead = this.#read(entry, NEXT_IN_BUCKET);
      return entry;
    }
    const entry = this.#allocated++;
    if (entry >>> ARENA_BITS >= this.#arenas.length) this.#arenas.push(new Uint32Array(ARENA_SIZE * this.#stride));
    return entry;
  }

  #linkAsNewest(entry: number, pod: PodSlot): void {
    const previous = this.#newest[pod] ?? NIL;
    this.#write(entry, NEWER, NIL);
    this.#write(entry, OLDER, previous);
    if (previous === NIL) this.#oldest[pod] = entry;
    else this.#write(previous, NEWER, entry);
    this.#newest[pod] = entry;
  }

  #unlinkFromPod(entry: number, pod: PodSlot): void {
    const newer = this.#read(entry, NEWER);
    const older = this.#read(entry, OLDER);
    if (newer === NIL) this.#newest[pod] = older;
    else this.#write(newer, OLDER, older);
    if (older === NIL) this.#oldest[pod] = newer;
    else this.#write(older, NEWER, newer);
  }

  /** Linear hashing: buckets below the split point use the next doubling's mask. */
  #bucketOf(low: number): number {
    const wide = (low & (2 * this.#bucketBase - 1)) >>> 0;
    return wide < this.#bucketCount ? wide : wide - this.#bucketBase;
  }

  #splitBucket(): void {
    const from = this.#bucketCount - this.#bucketBase;
    const to = this.#bucketCount;
    if (to >>> ARENA_BITS >= this.#buckets.length) this.#buckets.push(new Uint32Array(ARENA_SIZE));
    let entry = this.#head(from);
    this.#bucketCount++;
    this.#setHead(from, NIL);
    while (entry !== NIL) {
      const next = this.#read(entry, NEXT_IN_BUCKET);
      const target = (this.#read(entry, LOW) & this.#bucketBase) === 0 ? from : to;
      this.#write(entry, NEXT_IN_BUCKET, this.#head(target));
      this.#setHead(target, entry);
      entry = next;
    }
    if (this.#bucketCount === 2 * this.#bucketBase) this.#bucketBase *= 2;
  }

  #head(bucket: number): number {
    return (this.#buckets[bucket >>> ARENA_BITS] as Uint32Array)[bucket & ARENA_MASK] as number;
  }

  #setHead(bucket: number, entry: number): void {
    (this.#buckets[bucket >>> ARENA_BITS] as Uint32Array)[bucket & ARENA_MASK] = entry;
  }

  #read(entry: number, field: number): number {
    return (this.#arenas[entry >>> ARENA_BITS] as Uint32Array)[(entry & ARENA_MASK) * this.#stride + field] as number;
  }

  #write(entry: number, field: number, value: number): void {
    (this.#arenas[entry >>> ARENA_BITS] as Uint32Array)[(entry & ARENA_MASK) * this.#stride + field] = value;
  }
}

const NONE = -1;

/**
 * An engine's KV cache: a fixed number of blocks, each anonymous (reserved by a request, content not computed yet) or
 * resident (computed, found by its id). Resident blocks that no request holds can be evicted, least recently used
 * first. Block ids are prefix-chained: equal id means equal tokens up to and including the block.
 */
export class BlockCache {
  readonly capacityBlocks: number;
  /** Called for each resident block that is given up. */
  readonly #onEvict: (id: number) => void;
  #anonymous = 0;
  #resident = 0;
  #idle = 0;

  readonly #ids: Uint32Array;
  readonly #holders: Int32Array;
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  #newest = NONE;
  #oldest = NONE;
  /** Slots without a block, linked by `#older`. */
  #spare = 0;

  readonly #buckets: Int32Array;
  readonly #chain: Int32Array;
  readonly #bucketMask: number;

  constructor(capacityBlocks: number, onEvict: (id: number) => void) {
    this.capacityBlocks = capacityBlocks;
    this.#onEvict = onEvict;
    this.#ids = new Uint32Array(capacityBlocks);
    this.#holders = new Int32Array(capacityBlocks);
    this.#newer = new Int32Array(capacityBlocks).fill(NONE);
    this.#older = new Int32Array(capacityBlocks);
    let buckets = 16;
    while (buckets < 2 * capacityBlocks) buckets *= 2;
    this.#bucketMask = buckets - 1;
    this.#buckets = new Int32Array(buckets).fill(NONE);
    this.#chain = new Int32Array(capacityBlocks).fill(NONE);
    this.#linkSpare();
  }

  /** Blocks that could be had at once: unused ones and idle resident ones. */
  get availableBlocks(): number {
    return this.capacityBlocks - this.#anonymous - this.#resident + this.#idle;
  }

  /** Blocks that requests hold or have reserved. */
  get heldBlocks(): number {
    return this.#anonymous + this.#resident - this.#idle;
  }

  get residentBlocks(): number {
    return this.#resident;
  }

  /** Leading ids that are resident, at most `most`. */
  countLeading(ids: Uint32Array, most: number): number {
    let count = 0;
    while (count < most && this.#find(ids[count] as number) !== NONE) count++;
    return count;
  }

  /** How many of the first `count` ids, all resident, are idle: pinning them takes them from what is available. */
  countIdle(ids: Uint32Array, count: number): number {
    let idle = 0;
    for (let i = 0; i < count; i++) if (this.#holders[this.#find(ids[i] as number)] === 0) idle++;
    return idle;
  }

  /** Holds a resident block and returns its slot, or -1 if it is not resident. */
  pin(id: number): number {
    const slot = this.#find(id);
    if (slot === NONE) return NONE;
    if (this.#holders[slot] === 0) {
      this.#unlink(slot);
      this.#idle--;
    }
    this.#holders[slot] = (this.#holders[slot] as number) + 1;
    return slot;
  }

  /** Reserves anonymous blocks, evicting what it takes. The caller has checked that they are available. */
  reserve(blocks: number): void {
    let short = blocks - (this.capacityBlocks - this.#anonymous - this.#resident);
    for (; short > 0; short--) this.#evictOldest();
    this.#anonymous += blocks;
  }

  /** Gives anonymous blocks back. */
  free(blocks: number): void {
    this.#anonymous -= blocks;
  }

  /**
   * An anonymous block has been computed: from now on it is resident under its id, which no other block has, and held by
   * its request. Returns its slot.
   */
  commit(id: number): number {
    this.#anonymous--;
    const slot = this.#spare;
    this.#spare = this.#older[slot] as number;
    this.#ids[slot] = id;
    this.#holders[slot] = 1;
    const bucket = this.#bucketOf(id);
    this.#chain[slot] = this.#buckets[bucket] as number;
    this.#buckets[bucket] = slot;
    this.#resident++;
    return slot;
  }

  /** Lets go of a held block. Release a prompt from its last block to its first, so that heads outlive tails. */
  release(slot: number): void {
    const holders = (this.#holders[slot] as number) - 1;
    this.#holders[slot] = holders;
    if (holders > 0) return;
    this.#newer[slot] = NONE;
    this.#older[slot] = this.#newest;
    if (this.#newest === NONE) this.#oldest = slot;
    else this.#newer[this.#newest] = slot;
    this.#newest = slot;
    this.#idle++;
  }

  /** Forgets everything, as a restart does; nobody may hold a block any more. Evictions are not announced. */
  clear(): void {
    this.#anonymous = 0;
    this.#resident = 0;
    this.#idle = 0;
    this.#newest = NONE;
    this.#oldest = NONE;
    this.#buckets.fill(NONE);
    this.#linkSpare();
  }

  #linkSpare(): void {
    for (let slot = 0; slot < this.capacityBlocks; slot++) this.#older[slot] = slot + 1;
    this.#spare = 0;
  }

  #evictOldest(): void {
    const slot = this.#oldest;
    this.#unlink(slot);
    this.#idle--;
    const id = this.#ids[slot] as number;
    const bucket = this.#bucketOf(id);
    let walker = this.#buckets[bucket] as number;
    if (walker === slot) {
      this.#buckets[bucket] = this.#chain[slot] as number;
    } else {
      while (this.#chain[walker] !== slot) walker = this.#chain[walker] as number;
      this.#chain[walker] = this.#chain[slot] as number;
    }
    this.#older[slot] = this.#spare;
    this.#spare = slot;
    this.#resident--;
    this.#onEvict(id);
  }

  #unlink(slot: number): void {
    const newer = this.#newer[slot] as number;
    const older = this.#older[slot] as number;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
  }

  #find(id: number): number {
    let slot = this.#buckets[this.#bucketOf(id)] as number;
    while (slot !== NONE && this.#ids[slot] !== id) slot = this.#chain[slot] as number;
    return slot;
  }

  #bucketOf(id: number): number {
    const mixed = Math.imul(id, 0x9e3779b1);
    return (mixed ^ (mixed >>> 15)) & this.#bucketMask;
  }
}

import type { BlockHash } from "./block-hash.ts";
import type { BlockStored, KvEvent } from "./kv-event.ts";

const NONE = -1;

/** How a pool differs from the plain one. */
export interface BlockPoolOptions {
  /**
   * Released blocks that are not in the prefix cache are taken before all others, as in vLLM since mid-2026, so that
   * what a window leaves behind does not push cached blocks out.
   */
  readonly reusesUncachedFirst: boolean;
}

/**
 * The engine's KV blocks: reference counts, a free list in eviction order, and the prefix cache over full blocks.
 * Behaves as vLLM's block pool: a free block keeps its content and serves hits until it is taken from the list's
 * front; equal blocks are not merged, so one hash may have several copies; every change of the cache is an event.
 * Cache groups share blocks and free list; each has a prefix cache of its own.
 */
export class BlockPool {
  readonly capacity: number;
  readonly #options: BlockPoolOptions;
  readonly #referenceCounts: Uint32Array;
  readonly #hashes: (BlockHash | null)[];
  /** The group of each block that has a hash. */
  readonly #groups: Uint8Array;
  readonly #nextFree: Int32Array;
  readonly #previousFree: Int32Array;
  /** Copies of each hash by group, the one that serves hits first. */
  readonly #copies: Map<bigint, number[]>[] = [];
  #firstFree = NONE;
  #lastFree = NONE;
  #freeCount = 0;
  #cachedCount = 0;
  #events: KvEvent[] = [];

  /** `capacity` in blocks. */
  constructor(capacity: number, options: BlockPoolOptions = { reusesUncachedFirst: false }) {
    this.capacity = capacity;
    this.#options = options;
    this.#referenceCounts = new Uint32Array(capacity);
    this.#hashes = new Array<BlockHash | null>(capacity).fill(null);
    this.#groups = new Uint8Array(capacity);
    this.#nextFree = new Int32Array(capacity).fill(NONE);
    this.#previousFree = new Int32Array(capacity).fill(NONE);
    for (let block = 0; block < capacity; block += 1) this.#appendFree(block);
  }

  /** Blocks that can be taken now, those that still hold cached content included. */
  get freeCount(): number {
    return this.#freeCount;
  }

  /** Blocks that running sequences hold. */
  get usedCount(): number {
    return this.capacity - this.#freeCount;
  }

  /** Blocks whose content is in the prefix cache of any group, in use or not. */
  get cachedCount(): number {
    return this.#cachedCount;
  }

  /** The block that serves a hash in a group, or undefined. */
  find(hash: BlockHash, groupIndex = 0): number | undefined {
    return this.#copies[groupIndex]?.get(hash.wire)?.[0];
  }

  /** Whether a block is held by no sequence. */
  isFree(block: number): boolean {
    return this.#referenceCounts[block] === 0;
  }

  /** Takes one reference on each block; free ones leave the free list. */
  acquire(blocks: readonly number[]): void {
    for (const block of blocks) {
      if (this.isFree(block)) this.#removeFree(block);
      this.#referenceCounts[block] = (this.#referenceCounts[block] ?? 0) + 1;
    }
  }

  /** Takes `count` blocks from the front of the free list, their old content evicted. The caller checks freeCount. */
  allocate(count: number): number[] {
    if (count > this.#freeCount) throw new RangeError(`${count} blocks asked, ${this.#freeCount} free`);
    return Array.from({ length: count }, () => {
      const block = this.#firstFree;
      this.#removeFree(block);
      this.#evict(block);
      this.#referenceCounts[block] = 1;
      return block;
    });
  }

  /** Gives up one reference on each of a group's blocks, in sequence order: their tail will be evicted first. */
  release(blocks: readonly number[]): void {
    for (const block of blocks.toReversed()) {
      const count = (this.#referenceCounts[block] ?? 0) - 1;
      if (count < 0) throw new RangeError(`block ${block} released more often than acquired`);
      this.#referenceCounts[block] = count;
      if (count > 0) continue;
      if (this.#options.reusesUncachedFirst && this.#hashes[block] === null) this.#prependFree(block);
      else this.#appendFree(block);
    }
  }

  /** Enters full blocks into a group's prefix cache and announces them; `stored` describes them for the event. */
  cache(blocks: readonly number[], hashes: readonly BlockHash[], stored: StoredDescription): void {
    const copiesOf = this.#copiesIn(stored.groupIndex);
    for (const [index, block] of blocks.entries()) {
      const hash = hashes[index];
      if (hash === undefined) throw new RangeError("every block needs a hash");
      this.#hashes[block] = hash;
      this.#groups[block] = stored.groupIndex;
      this.#cachedCount += 1;
      const copies = copiesOf.get(hash.wire);
      if (copies === undefined) copiesOf.set(hash.wire, [block]);
      else copies.push(block);
    }
    this.#events.push({ type: "BlockStored", blockHashes: hashes.map((hash) => hash.wire), ...stored });
  }

  /** Forgets all cached content. False, and nothing done, while sequences hold blocks. */
  reset(): boolean {
    if (this.usedCount > 0) return false;
    this.#hashes.fill(null);
    this.#copies.length = 0;
    this.#cachedCount = 0;
    this.#events.push({ type: "AllBlocksCleared" });
    return true;
  }

  /** The events since the last call, oldest first. */
  takeEvents(): KvEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** Every cached hash of a group with its number of copies. */
  cachedHashes(groupIndex = 0): Map<bigint, number> {
    return new Map(Array.from(this.#copiesIn(groupIndex), ([wire, copies]) => [wire, copies.length]));
  }

  #copiesIn(groupIndex: number): Map<bigint, number[]> {
    let copies = this.#copies[groupIndex];
    if (copies === undefined) {
      copies = new Map();
      this.#copies[groupIndex] = copies;
    }
    return copies;
  }

  #evict(block: number): void {
    const hash = this.#hashes[block] ?? null;
    if (hash === null) return;
    this.#hashes[block] = null;
    this.#cachedCount -= 1;
    const groupIndex = this.#groups[block] ?? 0;
    const copies = this.#copiesIn(groupIndex);
    const rest = (copies.get(hash.wire) ?? []).filter((copy) => copy !== block);
    if (rest.length === 0) copies.delete(hash.wire);
    else copies.set(hash.wire, rest);
    this.#events.push({ type: "BlockRemoved", blockHashes: [hash.wire], groupIndex });
  }

  #appendFree(block: number): void {
    this.#previousFree[block] = this.#lastFree;
    this.#nextFree[block] = NONE;
    if (this.#lastFree === NONE) this.#firstFree = block;
    else this.#nextFree[this.#lastFree] = block;
    this.#lastFree = block;
    this.#freeCount += 1;
  }

  #prependFree(block: number): void {
    this.#previousFree[block] = NONE;
    this.#nextFree[block] = this.#firstFree;
    if (this.#firstFree === NONE) this.#lastFree = block;
    else this.#previousFree[this.#firstFree] = block;
    this.#firstFree = block;
    this.#freeCount += 1;
  }

  #removeFree(block: number): void {
    const previous = this.#previousFree[block] ?? NONE;
    const next = this.#nextFree[block] ?? NONE;
    if (previous === NONE) this.#firstFree = next;
    else this.#nextFree[previous] = next;
    if (next === NONE) this.#lastFree = previous;
    else this.#previousFree[next] = previous;
    this.#freeCount -= 1;
  }
}

/** What a BlockStored event tells besides the hashes. */
export type StoredDescription = Omit<BlockStored, "type" | "blockHashes">;

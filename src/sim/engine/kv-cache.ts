import type { BlockHash, BlockHasher } from "./block-hash.ts";
import type { BlockPool } from "./block-pool.ts";
import { type CacheGroup, fullAttentionGroup, NO_BLOCK } from "./cache-group.ts";
import { type BlockTable, type CacheNamespace, extraKeysOf, hashBlocks, type Sequence } from "./sequence.ts";

/** What the cache has for a sequence that is about to run. */
export interface CacheHit {
  /** Tokens that need no computing: full blocks, from the first. */
  readonly tokens: number;
  /** By group: the blocks of these tokens, NO_BLOCK where the group needs none. */
  readonly blocks: readonly (readonly number[])[];
  /** Tokens that some group has, and another lacks the blocks to go on from; not less than `tokens`. */
  readonly sharedTokens: number;
}

/** What the cache holds of some tokens, by full block. */
export interface CacheContent {
  readonly blockTokens: number;
  /** Tokens, from the first, whose blocks the full-attention group has without a hole. */
  readonly cachedTokens: number;
  /** Tokens that a request with these tokens and more after them would be spared: every group can go on from there. */
  readonly hitTokens: number;
  /** For each block: the indexes of the groups that have it. */
  readonly heldBy: readonly (readonly number[])[];
  /** For each block: whether a request that differs after it would be spared all tokens up to its end. */
  readonly resumable: readonly boolean[];
}

/**
 * The KV blocks of sequences in all cache groups, over one pool. Follows the allocation of vLLM's hybrid KV cache manager,
 * so that blocks, evictions and events come in its order; one group is its plain manager.
 */
export class KvCache {
  readonly #pool: BlockPool;
  readonly #hasher: BlockHasher;
  readonly #blockTokens: number;
  readonly #groups: readonly CacheGroup[];

  /** `windowGroup`: the second group of a hybrid model, null for a model of full attention alone. */
  constructor(pool: BlockPool, hasher: BlockHasher, blockTokens: number, windowGroup: CacheGroup | null) {
    this.#pool = pool;
    this.#hasher = hasher;
    this.#blockTokens = blockTokens;
    this.#groups = windowGroup === null ? [fullAttentionGroup] : [fullAttentionGroup, windowGroup];
  }

  /** The longest prefix that every group can go on from. The last token is always computed: sampling needs its output. */
  findHit(sequence: Sequence): CacheHit {
    const most = Math.floor((sequence.knownLength - 1) / this.#blockTokens);
    return this.#longestHit(sequence.hashes(most, this.#blockTokens, this.#hasher));
  }

  /** Free blocks that a waiting sequence with this hit takes to hold `length` tokens. */
  blocksToAdmit(hit: CacheHit, length: number): number {
    const fresh = this.#groups.length * (Math.ceil(length / this.#blockTokens) - hit.tokens / this.#blockTokens);
    return hit.blocks
      .flat()
      .reduce((sum, block) => sum + (block !== NO_BLOCK && this.#pool.isFree(block) ? 1 : 0), fresh);
  }

  /** Gives a sequence the blocks of its hit. */
  admit(sequence: Sequence, hit: CacheHit): void {
    // All groups first: what one allocates must not evict what another has hit.
    for (const blocks of hit.blocks) this.#pool.acquire(held(blocks));
    sequence.blockTables = hit.blocks.map((blocks) => ({ blocks: [...blocks], settledBlocks: blocks.length }));
    sequence.computedLength = hit.tokens;
    sequence.sharedLength = hit.sharedTokens > hit.tokens ? hit.sharedTokens : 0;
  }

  /** Frees the blocks that no token to come looks back to. */
  releaseOutgrown(sequence: Sequence): void {
    for (const [index, { blocks }] of sequence.blockTables.entries()) {
      const end = this.#groups[index]?.outgrownBlocks(sequence.computedLength) ?? 0;
      if (end === 0) continue;
      const start = blocks.lastIndexOf(NO_BLOCK, end - 1) + 1;
      if (start === end) continue;
      this.#pool.release(blocks.slice(start, end));
      blocks.fill(NO_BLOCK, start, end);
    }
  }

  /** Free blocks that a running sequence takes to hold `length` tokens. */
  blocksToExtend(sequence: Sequence, length: number): number {
    const needed = Math.ceil(length / this.#blockTokens);
    return sequence.blockTables.reduce((sum, { blocks }) => sum + needed - blocks.length, 0);
  }

  /** Gives a running sequence room for `length` tokens, and caches the blocks that they fill. */
  extend(sequence: Sequence, length: number): void {
    const needed = Math.ceil(length / this.#blockTokens);
    for (const { blocks } of sequence.blockTables) blocks.push(...this.#pool.allocate(needed - blocks.length));
    for (const [index, table] of sequence.blockTables.entries()) {
      this.#settle(sequence, table, this.#groups[index] ?? fullAttentionGroup, length);
    }
  }

  /** Takes back all blocks of a sequence. */
  release(sequence: Sequence): void {
    for (const { blocks } of sequence.forgetBlocks()) this.#pool.release(held(blocks));
  }

  /** Forgets all cached content; see BlockPool. */
  reset(): boolean {
    return this.#pool.reset();
  }

  /** What the cache holds of some tokens. Changes nothing. */
  contentOf(tokens: Uint32Array, namespace: CacheNamespace): CacheContent {
    const blockTokens = this.#blockTokens;
    const hashes: BlockHash[] = [];
    hashBlocks(hashes, Math.floor(tokens.length / blockTokens), tokens, namespace, blockTokens, this.#hasher);
    const holders = hashes.map((hash) =>
      this.#groups.filter(({ index }) => this.#pool.find(hash, index) !== undefined),
    );
    const runs = new Map<CacheGroup, number>();
    const resumable = holders.map((groups, block) => {
      for (const group of this.#groups) runs.set(group, groups.includes(group) ? (runs.get(group) ?? 0) + 1 : 0);
      return this.#groups.every((group) => (runs.get(group) ?? 0) >= group.blocksToResume(block + 1));
    });
    const hole = holders.findIndex((groups) => !groups.includes(fullAttentionGroup));
    return {
      blockTokens,
      cachedTokens: (hole < 0 ? hashes.length : hole) * blockTokens,
      hitTokens: (resumable.lastIndexOf(true) + 1) * blockTokens,
      heldBy: holders.map((groups) => groups.map(({ index }) => index)),
      resumable,
    };
  }

  #longestHit(hashes: readonly BlockHash[]): CacheHit {
    let length = hashes.length;
    let longest = 0;
    const blocks: number[][] = [];
    // Any prefix of a full-attention hit is one too, so that one pass settles the length: full attention comes first.
    for (const group of this.#groups) {
      const hit = group.longestHit(hashes.slice(0, length), (hash) => this.#pool.find(hash, group.index));
      length = hit.length;
      longest = Math.max(longest, length);
      blocks.push(hit);
    }
    return {
      tokens: length * this.#blockTokens,
      blocks: blocks.map((hit) => hit.slice(0, length)),
      sharedTokens: longest * this.#blockTokens,
    };
  }

  /** Caches the blocks that `length` tokens have filled since the last time, those that the group keeps. */
  #settle(sequence: Sequence, table: BlockTable, group: CacheGroup, length: number): void {
    const from = table.settledBlocks;
    const to = Math.floor(length / this.#blockTokens);
    if (to <= from) return;
    const hashes = sequence.hashes(to, this.#blockTokens, this.#hasher);
    const resumePoints = [sequence.promptLength - 1, sequence.sharedLength];
    const kept = range(from, to).filter((block) => group.keeps(block, resumePoints));
    this.#pool.cache(pick(table.blocks, kept), pick(hashes, kept), {
      parentBlockHash: hashes[from - 1]?.wire ?? null,
      tokenIds: sequence.tokens.subarray(from * this.#blockTokens, to * this.#blockTokens),
      blockSize: this.#blockTokens,
      loraId: sequence.namespace.adapter?.id ?? null,
      loraName: sequence.namespace.adapter?.name ?? null,
      extraKeys: kept.map((block) => extraKeysOf(sequence.namespace, block)),
      groupIndex: group.index,
      cacheKind: group.kind,
      windowTokens: group.windowTokens,
    });
    table.settledBlocks = to;
  }
}

function held(blocks: readonly number[]): number[] {
  return blocks.filter((block) => block !== NO_BLOCK);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

function pick<Item>(items: readonly Item[], indexes: readonly number[]): Item[] {
  return indexes.flatMap((index) => items[index] ?? []);
}

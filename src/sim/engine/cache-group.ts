import type { BlockHash } from "./block-hash.ts";

/** Stands where a group has no block: it needs none there, or has given it up. */
export const NO_BLOCK = -1;

/** What the layers of a KV cache group keep, named as vLLM's events name it. */
export type CacheKind = "full_attention" | "sliding_window";

/**
 * Layers that keep the same tokens, after vLLM's hybrid KV cache manager: each group has blocks of its own for the same
 * tokens, equal blocks of different groups have equal hashes, and all groups take their blocks from one pool.
 */
export interface CacheGroup {
  readonly index: number;
  readonly kind: CacheKind;
  /** Tokens a layer looks back over, the current one included; null: all. */
  readonly windowTokens: number | null;
  /**
   * The blocks to go on from for the longest prefix of `hashes` that this group alone can serve, by position, NO_BLOCK
   * where it needs none. `find` is the group's prefix cache.
   */
  longestHit(hashes: readonly BlockHash[], find: (hash: BlockHash) => number | undefined): number[];
  /** How many blocks, the last ones of a prefix of so many, the group needs to go on after it. */
  blocksToResume(prefixBlocks: number): number;
  /** How many blocks from the first the group no longer needs once so many tokens are computed. */
  outgrownBlocks(computedTokens: number): number;
  /** Whether a full block goes into the prefix cache. `resumePoints`: token counts that prompts may go on from. */
  keeps(block: number, resumePoints: readonly number[]): boolean;
}

/** Layers that look back over everything: they keep every block as long as the sequence runs. */
export const fullAttentionGroup: CacheGroup = {
  index: 0,
  kind: "full_attention",
  windowTokens: null,
  longestHit: (hashes, find) => {
    const hit: number[] = [];
    for (const hash of hashes) {
      const block = find(hash);
      if (block === undefined) break;
      hit.push(block);
    }
    return hit;
  },
  blocksToResume: (prefixBlocks) => prefixBlocks,
  outgrownBlocks: () => 0,
  keeps: () => true,
};

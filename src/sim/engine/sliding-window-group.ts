import type { BlockHash } from "./block-hash.ts";
import { type CacheGroup, type CacheKind, NO_BLOCK } from "./cache-group.ts";

/**
 * `every-block`: each full block is cached, vLLM's way up to 0.23. `replay-boundary`: only those that a prompt sent again,
 * or one that shares its beginning, goes on from; vLLM's `prefix_cache_retention_interval` 0, the default since August 2026.
 */
export const windowRetentions = ["every-block", "replay-boundary"] as const;

/** The name of a retention. */
export type WindowRetention = (typeof windowRetentions)[number];

/** Layers that look back over a window: a sequence gives up the blocks before it as it goes on. */
export class SlidingWindowGroup implements CacheGroup {
  readonly index = 1;
  readonly kind: CacheKind = "sliding_window";
  readonly windowTokens: number;
  readonly #blockTokens: number;
  readonly #retention: WindowRetention;
  /** Blocks in a row that hold all the window but the token to be computed. */
  readonly #runBlocks: number;

  constructor(windowTokens: number, blockTokens: number, retention: WindowRetention) {
    this.windowTokens = windowTokens;
    this.#blockTokens = blockTokens;
    this.#retention = retention;
    this.#runBlocks = Math.max(1, Math.ceil((windowTokens - 1) / blockTokens));
  }

  longestHit(hashes: readonly BlockHash[], find: (hash: BlockHash) => number | undefined): number[] {
    const hit = new Array<number>(hashes.length).fill(NO_BLOCK);
    let run = 0;
    for (let index = hashes.length - 1; index >= 0; index -= 1) {
      const hash = hashes[index];
      const block = hash === undefined ? undefined : find(hash);
      if (block === undefined) {
        run = 0;
        continue;
      }
      hit[index] = block;
      run += 1;
      if (run === this.#runBlocks) return hit.slice(0, index + run);
    }
    // A run from the very first block on is whole, however short.
    return hit.slice(0, run);
  }

  blocksToResume(prefixBlocks: number): number {
    return Math.min(this.#runBlocks, prefixBlocks);
  }

  outgrownBlocks(computedTokens: number): number {
    return Math.floor(Math.max(0, computedTokens - this.windowTokens + 1) / this.#blockTokens);
  }

  keeps(block: number, resumePoints: readonly number[]): boolean {
    if (this.#retention === "every-block") return true;
    return resumePoints.some((tokens) => {
      const end = Math.floor(tokens / this.#blockTokens);
      return block < end && block >= end - this.#runBlocks;
    });
  }
}

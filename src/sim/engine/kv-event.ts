import type { CacheKind } from "./cache-group.ts";

/** Full blocks of one cache group entered the prefix cache. */
export interface BlockStored {
  readonly type: "BlockStored";
  /** Of consecutive blocks, those that the group keeps: fewer than `tokenIds` covers, even none, in a window group. */
  readonly blockHashes: readonly bigint[];
  /** The block before the first token; null at the start of a sequence. */
  readonly parentBlockHash: bigint | null;
  /** Tokens of all the blocks, kept or not, in order. */
  readonly tokenIds: ArrayLike<number>;
  readonly blockSize: number;
  /** Adapter of the sequence: its number from 1, and its name. */
  readonly loraId: number | null;
  readonly loraName: string | null;
  /** One entry per hash: adapter name and cache salt, or null. */
  readonly extraKeys: readonly (readonly string[] | null)[];
  readonly groupIndex: number;
  readonly cacheKind: CacheKind;
  /** Tokens of the group's window; null without one. */
  readonly windowTokens: number | null;
}

/** A block of one cache group left the cache. */
export interface BlockRemoved {
  readonly type: "BlockRemoved";
  readonly blockHashes: readonly bigint[];
  readonly groupIndex: number;
}

/** The whole cache was dropped. */
export interface AllBlocksCleared {
  readonly type: "AllBlocksCleared";
}

/** A change of the prefix cache, as engines announce it. */
export type KvEvent = BlockStored | BlockRemoved | AllBlocksCleared;

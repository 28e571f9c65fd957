import type { BlockHash, BlockHasher } from "./block-hash.ts";

/** A LoRA adapter: its number from 1 in the order of configuration, and its name. */
export interface Adapter {
  readonly id: number;
  readonly name: string;
}

/** What separates the cache entries of equal tokens. */
export interface CacheNamespace {
  readonly adapter: Adapter | null;
  readonly cacheSalt: string | null;
}

/** The blocks of a sequence in one cache group. */
export interface BlockTable {
  /** By position; NO_BLOCK where the group needs none. */
  readonly blocks: number[];
  /** How many blocks, from the first, have been put into the prefix cache or left out of it for good. */
  settledBlocks: number;
}

/**
 * One choice of one request on its way through the scheduler. Its answer is decided when it arrives, so `tokens` holds
 * prompt and answer; `knownLength` says how much of it the engine has sampled so far.
 */
export class Sequence {
  readonly tokens: Uint32Array;
  readonly promptLength: number;
  readonly namespace: CacheNamespace;
  /** When it came, in the step loop's time: no earlier step can take it in. */
  arrivedAtMs = 0;
  state: "waiting" | "running" | "finished" | "aborted" = "waiting";
  /** Prompt plus tokens sampled so far. */
  knownLength: number;
  /** Tokens whose KV is in its blocks. */
  computedLength = 0;
  /** Prompt tokens found in the cache when it was first scheduled; null before. */
  cachedLength: number | null = null;
  /** One for each cache group while it runs, none while it waits. */
  blockTables: readonly BlockTable[] = [];
  /** Prompt tokens that it turned out to share with another, though not every group had the blocks to go on from there. */
  sharedLength = 0;
  readonly #hashes: BlockHash[] = [];

  constructor(prompt: Uint32Array, answer: Uint32Array, namespace: CacheNamespace) {
    this.tokens = new Uint32Array(prompt.length + answer.length);
    this.tokens.set(prompt);
    this.tokens.set(answer, prompt.length);
    this.promptLength = prompt.length;
    this.knownLength = prompt.length;
    this.namespace = namespace;
  }

  /** Tokens sampled so far. */
  get generatedLength(): number {
    return this.knownLength - this.promptLength;
  }

  /** Gives up the KV: everything is to be computed again. Returns the tables of the blocks it held. */
  forgetBlocks(): readonly BlockTable[] {
    const held = this.blockTables;
    this.blockTables = [];
    this.computedLength = 0;
    return held;
  }

  /** Hashes of the first `count` full blocks. */
  hashes(count: number, blockTokens: number, hasher: BlockHasher): readonly BlockHash[] {
    hashBlocks(this.#hashes, count, this.tokens, this.namespace, blockTokens, hasher);
    return this.#hashes.length === count ? this.#hashes : this.#hashes.slice(0, count);
  }
}

/** Goes on with a chain of block hashes until it has `count`. */
export function hashBlocks(
  chain: BlockHash[],
  count: number,
  tokens: Uint32Array,
  namespace: CacheNamespace,
  blockTokens: number,
  hasher: BlockHasher,
): void {
  for (let block = chain.length; block < count; block += 1) {
    const start = block * blockTokens;
    const keys = extraKeysOf(namespace, block);
    chain.push(hasher.hashBlock(chain[block - 1] ?? null, tokens, start, start + blockTokens, keys));
  }
}

/** The extra keys of a block: the adapter's name on every block, the cache salt on the first; null for neither. */
export function extraKeysOf(namespace: CacheNamespace, block: number): readonly string[] | null {
  const keys: string[] = [];
  if (namespace.adapter !== null) keys.push(namespace.adapter.name);
  if (namespace.cacheSalt !== null && block === 0) keys.push(namespace.cacheSalt);
  return keys.length === 0 ? null : keys;
}

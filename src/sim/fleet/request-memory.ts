import { BlockCache } from "./block-cache.ts";
import type { EngineRequest } from "./engine-request.ts";
import type { EngineRules } from "./fleet-engine.ts";

/** What an engine tells of its cache. */
export type CacheListener = {
  /** The block at `depth` of a prompt is in the cache from now on. */
  stored(id: number, depth: number): void;
  evicted(id: number): void;
};

/** The KV memory of one engine's requests: what each holds, gains and gives back. */
export class RequestMemory {
  readonly cache: BlockCache;
  readonly #rules: EngineRules;
  readonly #listener: CacheListener;
  readonly #ownBlocks: number;
  /** What the requests may hold of a shared cache, which is larger than the engine's own: nobody starves the others. */
  readonly #mostHeldBlocks: number;
  #heldBlocks = 0;

  /** `shared`: another engine's cache, used in place of an own one. */
  constructor(kvTokens: number, rules: EngineRules, listener: CacheListener, shared: BlockCache | undefined) {
    this.#rules = rules;
    this.#listener = listener;
    this.#ownBlocks = Math.floor(kvTokens / rules.blockTokens);
    this.#mostHeldBlocks = shared === undefined ? Number.POSITIVE_INFINITY : this.#ownBlocks;
    this.cache = shared ?? new BlockCache(this.#ownBlocks, (id) => this.#listener.evicted(id));
  }

  /** False for a request that would not fit into an empty engine. */
  canEverHold(request: EngineRequest): boolean {
    return this.#blocksOf(request.promptTokens + request.outputTokens) <= this.#ownBlocks;
  }

  /** Gives a request the memory to begin with, cached blocks of its prompt first. False if there is too little. */
  admit(request: EngineRequest): boolean {
    const { cache } = this;
    const { blockTokens, memory } = this.#rules;
    const target = request.promptTokens + request.emittedTokens;
    // The last token is always computed: there is nothing to sample from otherwise.
    const most = Math.min(request.blocks.length, Math.floor((target - 1) / blockTokens));
    const hits = cache.countLeading(request.blocks, most);
    const upTo = memory === "reserve" ? request.promptTokens + request.outputTokens : target;
    const needed = this.#blocksOf(upTo) - hits;
    if (this.#heldBlocks + hits + needed > this.#mostHeldBlocks) return false;
    if (needed > cache.availableBlocks - cache.countIdle(request.blocks, hits)) return false;
    for (let i = 0; i < hits; i++) request.slots.push(cache.pin(request.blocks[i] as number));
    this.#reserve(request, needed);
    this.#heldBlocks += hits;
    request.targetTokens = target;
    request.computedTokens = hits * blockTokens;
    request.hitTokens = hits * blockTokens;
    request.admitted = true;
    return true;
  }

  /** The first `tokens` tokens of the prompt are computed: their full blocks can be found from now on. */
  computed(request: EngineRequest, tokens: number): void {
    this.#commit(request, Math.floor(Math.min(tokens, request.promptTokens) / this.#rules.blockTokens));
  }

  /** The whole answer is there. Where answers are reusable, the prompt that takes it along tells its blocks' ids. */
  answered(request: EngineRequest): void {
    const { continuation, slots } = request;
    if (!this.#rules.answersReusable || continuation === undefined) return;
    const last = slots.length - 1;
    if (last >= 0 && continuation[last] !== request.blocks[last]) return;
    const full = Math.floor((request.promptTokens + request.outputTokens - 1) / this.#rules.blockTokens);
    request.blocks = continuation;
    this.#commit(request, Math.min(full, slots.length + request.anonymousBlocks));
  }

  /** Blocks that a growing answer lacks. */
  lackingBlocks(request: EngineRequest): number {
    const held = request.slots.length + request.anonymousBlocks;
    return Math.max(0, this.#blocksOf(request.promptTokens + request.emittedTokens) - held);
  }

  /** Gives a growing answer what it lacks; the caller has seen to it that there is as much. */
  grow(request: EngineRequest): void {
    this.#reserve(request, this.lackingBlocks(request));
  }

  /** Takes back all a request holds. Computed blocks stay findable until they are evicted. */
  release(request: EngineRequest): void {
    const { slots } = request;
    this.#heldBlocks -= slots.length + request.anonymousBlocks;
    for (let i = slots.length - 1; i >= 0; i--) this.cache.release(slots[i] as number);
    slots.length = 0;
    this.cache.free(request.anonymousBlocks);
    request.anonymousBlocks = 0;
    request.admitted = false;
  }

  /** The engine restarts. */
  clear(): void {
    this.cache.clear();
    this.#heldBlocks = 0;
  }

  #blocksOf(tokens: number): number {
    return Math.ceil(tokens / this.#rules.blockTokens);
  }

  #reserve(request: EngineRequest, blocks: number): void {
    this.cache.reserve(blocks);
    this.#heldBlocks += blocks;
    request.anonymousBlocks += blocks;
  }

  /** Makes the first `count` blocks findable under their ids. */
  #commit(request: EngineRequest, count: number): void {
    const { cache } = this;
    const { blocks, slots } = request;
    for (let depth = slots.length; depth < Math.min(count, blocks.length); depth++) {
      const id = blocks[depth] as number;
      let slot = cache.pin(id);
      if (slot >= 0) {
        // Another request was faster: its block is held, and the own one given back.
        cache.free(1);
      } else {
        slot = cache.commit(id);
        this.#listener.stored(id, depth);
      }
      slots.push(slot);
      request.anonymousBlocks--;
    }
  }
}

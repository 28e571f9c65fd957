import { randomUUID } from "node:crypto";
import { createBlockHasher } from "./block-hash.ts";
import { BlockPool } from "./block-pool.ts";
import type { EngineDimensions, EngineOptions } from "./engine-options.ts";
import type { CacheContent } from "./kv-cache.ts";
import type { KvEvent } from "./kv-event.ts";
import { EngineMetrics, type EngineReadings } from "./metrics.ts";
import { Scheduler } from "./scheduler.ts";
import type { CacheNamespace, Sequence } from "./sequence.ts";
import { SlidingWindowGroup } from "./sliding-window-group.ts";
import { type LoopClock, StepLoop } from "./step-loop.ts";
import { type StepLoad, stepTimeMs } from "./step-time.ts";

/** Who submitted a sequence. */
export interface SequenceOwner {
  /** A token of the sequence was sampled at `atMs` of the loop's clock. */
  sampled(sequence: Sequence, atMs: number): void;
  /** The tokens sampled since the last call may go out together. */
  flush(): void;
}

/** What the core needs from outside. */
export interface CoreSurroundings {
  readonly clock: LoopClock;
  /** Takes the cache events of one step. */
  publish(events: readonly KvEvent[]): void;
}

// At a fine grain timers and socket writes, not the simulation, are what costs.
const TIMER_GRAIN_MS = 1;

/** One life of an engine: cache, scheduler, clockwork and metrics, from start to restart. */
export class EngineCore {
  /** Tells this life from the ones before. */
  readonly epoch = randomUUID();
  readonly metrics: EngineMetrics;
  /** Steps take this many times as long. */
  slowFactor = 1;
  readonly #options: EngineOptions;
  readonly #dimensions: EngineDimensions;
  readonly #surroundings: CoreSurroundings;
  readonly #pool: BlockPool;
  readonly #scheduler: Scheduler;
  readonly #clock: LoopClock;
  readonly #loop: StepLoop;
  readonly #owners = new Map<Sequence, SequenceOwner>();
  readonly #unflushed = new Set<SequenceOwner>();

  /** `startedUnixS`: when this life began, in Unix seconds with a fraction. */
  constructor(
    options: EngineOptions,
    dimensions: EngineDimensions,
    surroundings: CoreSurroundings,
    startedUnixS: number,
  ) {
    this.#options = options;
    this.#dimensions = dimensions;
    this.#surroundings = surroundings;
    // The encoding stands for the version: vLLM of August 2026, or 0.23.
    const isRecent = options.eventEncoding === "map";
    this.#pool = new BlockPool(dimensions.blockCount, { reusesUncachedFirst: isRecent });
    const hasher = createBlockHasher(options.blockHash, String(options.seed));
    this.#scheduler = new Scheduler(this.#pool, hasher, options, windowGroupOf(options));
    this.metrics = new EngineMetrics(
      {
        modelName: options.servedNames[0] ?? options.model,
        blockTokens: options.blockTokens,
        blockCount: dimensions.blockCount,
        cacheSizeTokens: dimensions.cacheSizeTokens,
        startedUnixS,
        hashAlgorithm: options.blockHash === "fast" ? "sha256" : options.blockHash,
        adapters: options.adapters.length,
        tellsCacheSize: isRecent,
      },
      () => this.readings(),
    );
    this.#clock = surroundings.clock;
    this.#loop = new StepLoop(
      this.#clock,
      {
        startStep: (atMs) => this.#scheduler.startStep(atMs),
        durationMs: (load) => this.#wallMs(load),
        finishStep: (atMs) => this.#finishStep(atMs),
        flush: () => this.#flush(),
      },
      TIMER_GRAIN_MS,
    );
  }

  /** Queues sequences together; their owner hears of every token. */
  submit(sequences: readonly Sequence[], owner: SequenceOwner): void {
    for (const sequence of sequences) {
      this.#owners.set(sequence, owner);
      sequence.arrivedAtMs = this.#clock.nowMs();
      this.#scheduler.submit(sequence);
    }
    this.#loop.wake();
  }

  /** Drops a sequence at once, wherever it is. */
  abort(sequence: Sequence): void {
    this.#owners.delete(sequence);
    this.#scheduler.abort(sequence);
  }

  /** Empties the prefix cache, and sends running sequences back to the queue first if `evenIfBusy`. */
  clearCache(evenIfBusy: boolean): void {
    if (this.#scheduler.running.length > 0 && !evenIfBusy) return;
    this.#scheduler.clearCache();
    this.#publishEvents();
  }

  /** Ends this life: no timer stays, nothing is sampled any more. */
  stop(): void {
    this.#loop.stop();
    this.#owners.clear();
    this.#unflushed.clear();
  }

  /** What the cache holds of some tokens. Changes nothing. */
  contentOf(tokens: Uint32Array, namespace: CacheNamespace): CacheContent {
    return this.#scheduler.contentOf(tokens, namespace);
  }

  /** Every cached block hash of a cache group with its number of copies. */
  cachedHashes(groupIndex: number): Map<bigint, number> {
    return this.#pool.cachedHashes(groupIndex);
  }

  /** Batch, queue and cache as they are now. */
  readings(): EngineReadings & { readonly blocksUsed: number; readonly blocksCached: number } {
    const { running, waiting, totals } = this.#scheduler;
    return {
      running: running.length,
      waiting: waiting.length,
      kvUsage: this.#pool.usedCount / this.#pool.capacity,
      totals,
      runningAdapters: adapterNames(running),
      waitingAdapters: adapterNames(waiting),
      blocksUsed: this.#pool.usedCount,
      blocksCached: this.#pool.cachedCount,
    };
  }

  /** The sequences of batch and queue, in this order. */
  sequences(): readonly Sequence[] {
    return [...this.#scheduler.running, ...this.#scheduler.waiting];
  }

  #wallMs(load: StepLoad): number {
    return (stepTimeMs(this.#dimensions.profile, load) * this.slowFactor) / this.#options.timeScale;
  }

  #finishStep(atMs: number): void {
    const sampled = this.#scheduler.finishStep();
    // The cache has changed before the client can know of the token.
    this.#publishEvents();
    for (const sequence of sampled) {
      const owner = this.#owners.get(sequence);
      if (owner === undefined) continue;
      this.#unflushed.add(owner);
      if (sequence.state === "finished") this.#owners.delete(sequence);
      owner.sampled(sequence, atMs);
    }
  }

  #publishEvents(): void {
    const events = this.#pool.takeEvents();
    if (events.length > 0) this.#surroundings.publish(events);
  }

  #flush(): void {
    for (const owner of this.#unflushed) owner.flush();
    this.#unflushed.clear();
  }
}

function windowGroupOf(options: EngineOptions): SlidingWindowGroup | null {
  if (options.hybrid === undefined) return null;
  const retention = options.windowRetention ?? (options.eventEncoding === "array" ? "every-block" : "replay-boundary");
  return new SlidingWindowGroup(options.windowTokens, options.blockTokens, retention);
}

function adapterNames(sequences: readonly Sequence[]): string[] {
  return [...new Set(sequences.flatMap(({ namespace }) => namespace.adapter?.name ?? []))];
}

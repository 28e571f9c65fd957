import type { BlockHasher } from "./block-hash.ts";
import type { BlockPool } from "./block-pool.ts";
import type { CacheGroup } from "./cache-group.ts";
import { type CacheContent, KvCache } from "./kv-cache.ts";
import type { CacheNamespace, Sequence } from "./sequence.ts";
import type { StepLoad } from "./step-time.ts";

/** The limits of one engine's batch. */
export interface SchedulerLimits {
  readonly blockTokens: number;
  /** Most sequences in the running batch. */
  readonly maxNumSeqs: number;
  /** Most tokens computed in one step, prefill and decode together. */
  readonly tokenBudget: number;
}

/** Totals since the start, in tokens and sequences. */
export interface SchedulerTotals {
  prefixQueryTokens: number;
  prefixHitTokens: number;
  prefillTokens: number;
  preemptions: number;
}

interface ScheduledChunk {
  readonly sequence: Sequence;
  readonly newTokens: number;
}

/**
 * Continuous batching as in vLLM V1: running sequences first, then the queue in order of arrival; prompts in chunks of
 * what the token budget leaves; admission on what the chunk needs now; the newest sequence gives up its blocks when
 * decoding needs one and none is free, and is computed again later. Time is not known here: a step starts and finishes.
 */
export class Scheduler {
  readonly totals: SchedulerTotals = { prefixQueryTokens: 0, prefixHitTokens: 0, prefillTokens: 0, preemptions: 0 };
  readonly #pool: BlockPool;
  readonly #cache: KvCache;
  readonly #limits: SchedulerLimits;
  #running: Sequence[] = [];
  #waiting: Sequence[] = [];
  #step: ScheduledChunk[] = [];

  /** `windowGroup`: see KvCache. */
  constructor(pool: BlockPool, hasher: BlockHasher, limits: SchedulerLimits, windowGroup: CacheGroup | null = null) {
    this.#pool = pool;
    this.#cache = new KvCache(pool, hasher, limits.blockTokens, windowGroup);
    this.#limits = limits;
  }

  /** Sequences of the running batch, oldest first. */
  get running(): readonly Sequence[] {
    return this.#running;
  }

  /** Sequences of the queue, next first. */
  get waiting(): readonly Sequence[] {
    return this.#waiting;
  }

  /** Puts a sequence at the end of the queue. */
  submit(sequence: Sequence): void {
    this.#waiting.push(sequence);
  }

  /** Takes a sequence out of queue or batch at once; nothing happens to one that has ended. */
  abort(sequence: Sequence): void {
    if (sequence.state === "running") this.#running = this.#running.filter((other) => other !== sequence);
    else if (sequence.state === "waiting") this.#waiting = this.#waiting.filter((other) => other !== sequence);
    else return;
    sequence.state = "aborted";
    this.#cache.release(sequence);
  }

  /**
   * Chooses the work of a step that begins at `atMs` and reserves its blocks. Sequences that arrived later stay in the
   * queue. Null when there is nothing to do.
   */
  startStep(atMs = Number.POSITIVE_INFINITY): StepLoad | null {
    this.#step = [];
    const load: StepLoad = { prefillTokens: 0, prefillPairs: 0, decodeSequences: 0, decodeContextTokens: 0 };
    const preempted = this.#scheduleRunning(load);
    if (!preempted) this.#admitWaiting(load, atMs);
    return this.#step.length === 0 ? null : load;
  }

  /**
   * Ends the step: every sequence whose tokens are all computed samples its next one. Returns these sequences, oldest
   * first; one whose answer is complete is `finished` and has given up its blocks.
   */
  finishStep(): readonly Sequence[] {
    const sampled: Sequence[] = [];
    for (const { sequence, newTokens } of this.#step) {
      if (sequence.state !== "running") continue;
      sequence.computedLength += newTokens;
      if (sequence.computedLength < sequence.knownLength) continue;
      sequence.knownLength += 1;
      sampled.push(sequence);
      if (sequence.knownLength === sequence.tokens.length) this.#finish(sequence);
    }
    this.#step = [];
    return sampled;
  }

  /** Drops the prefix cache; running sequences go back to the head of the queue to be computed again. */
  clearCache(): void {
    for (const sequence of this.#running.toReversed()) this.#sendBack(sequence);
    this.#running = [];
    this.#cache.reset();
  }

  /** What the cache holds of some tokens. Changes nothing. */
  contentOf(tokens: Uint32Array, namespace: CacheNamespace): CacheContent {
    return this.#cache.contentOf(tokens, namespace);
  }

  #scheduleRunning(load: StepLoad): boolean {
    let preempted = false;
    for (let index = 0; index < this.#running.length; index += 1) {
      const sequence = this.#running[index];
      const budget = this.#budgetLeft(load);
      if (sequence === undefined || budget === 0) break;
      const newTokens = Math.min(sequence.knownLength - sequence.computedLength, budget);
      this.#cache.releaseOutgrown(sequence);
      const needed = this.#cache.blocksToExtend(sequence, sequence.computedLength + newTokens);
      while (needed > this.#pool.freeCount && sequence.state === "running") {
        preempted = true;
        this.#preemptNewest();
      }
      if (sequence.state !== "running") break;
      this.#extend(sequence, newTokens, load);
    }
    return preempted;
  }

  #admitWaiting(load: StepLoad, atMs: number): void {
    while (this.#running.length < this.#limits.maxNumSeqs && this.#budgetLeft(load) > 0) {
      const sequence = this.#waiting[0];
      if (sequence === undefined || sequence.arrivedAtMs > atMs) return;
      const hit = this.#cache.findHit(sequence);
      const newTokens = Math.min(sequence.knownLength - hit.tokens, this.#budgetLeft(load));
      if (this.#cache.blocksToAdmit(hit, hit.tokens + newTokens) > this.#pool.freeCount) return;
      this.#waiting.shift();
      this.#running.push(sequence);
      sequence.state = "running";
      if (sequence.cachedLength === null) {
        sequence.cachedLength = hit.tokens;
        this.totals.prefixQueryTokens += sequence.knownLength;
        this.totals.prefixHitTokens += hit.tokens;
      }
      this.#cache.admit(sequence, hit);
      this.#extend(sequence, newTokens, load);
    }
  }

  #extend(sequence: Sequence, newTokens: number, load: StepLoad): void {
    this.#cache.extend(sequence, sequence.computedLength + newTokens);
    this.#step.push({ sequence, newTokens });
    if (newTokens === 1 && sequence.generatedLength > 0) {
      load.decodeSequences += 1;
      load.decodeContextTokens += sequence.computedLength;
    } else {
      load.prefillTokens += newTokens;
      load.prefillPairs += newTokens * (sequence.computedLength + newTokens / 2);
      this.totals.prefillTokens += newTokens;
    }
  }

  #budgetLeft(load: StepLoad): number {
    return this.#limits.tokenBudget - load.prefillTokens - load.decodeSequences;
  }

  #preemptNewest(): void {
    const newest = this.#running.pop();
    if (newest === undefined) return;
    this.totals.preemptions += 1;
    this.#sendBack(newest);
  }

  #sendBack(sequence: Sequence): void {
    sequence.state = "waiting";
    this.#cache.release(sequence);
    this.#waiting.unshift(sequence);
  }

  #finish(sequence: Sequence): void {
    sequence.state = "finished";
    this.#running = this.#running.filter((other) => other !== sequence);
    this.#cache.release(sequence);
  }
}

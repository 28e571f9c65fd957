import { type EngineProfile, type StepLoad, stepTimeMs } from "../engine/step-time.ts";
import type { BlockCache } from "./block-cache.ts";
import { DecodeBatch } from "./decode-batch.ts";
import type { EngineRequest } from "./engine-request.ts";
import { type CacheListener, RequestMemory } from "./request-memory.ts";

/** How an engine schedules. */
export type EngineRules = {
  readonly blockTokens: number;
  /** Tokens of one step, decodes included. */
  readonly stepBudget: number;
  readonly mostSequences: number;
  /**
   * `reserve`: a request is admitted when prompt and whole answer fit, and never stopped. `preempt`: when its prompt
   * fits; if memory runs out the request admitted last starts over (vLLM).
   */
  readonly memory: "reserve" | "preempt";
  /** Whether blocks of an answer serve a later prompt that has it inside. */
  readonly answersReusable: boolean;
};

/** What an engine tells the simulation, each at the moment it happens. */
export type EngineListener = CacheListener & {
  firstToken(request: EngineRequest, nowMs: number): void;
  finished(request: EngineRequest, nowMs: number): void;
};

/**
 * One simulated engine: continuous batching with chunked prefill, first come first served, over a block cache. Time
 * moves in steps; the simulation calls `stepEnd` when the time of `nextEventMs` has come. Stretches of steps that only
 * decode are taken in one leap.
 */
export class FleetEngine {
  readonly profile: EngineProfile;
  readonly rules: EngineRules;
  readonly #memory: RequestMemory;
  readonly #listener: EngineListener;
  /** Steps take this many times as long. */
  slowdown = 1;

  readonly waiting: EngineRequest[] = [];
  /** Admitted, prompt not yet computed, in order of admission. */
  readonly prefilling: EngineRequest[] = [];
  readonly decodes = new DecodeBatch();
  #stepping = false;
  #stepStartMs = 0;
  #leap = 0;
  #endMs = Number.POSITIVE_INFINITY;
  readonly #load: StepLoad = { prefillTokens: 0, prefillPairs: 0, decodeSequences: 0, decodeContextTokens: 0 };

  /** Tokens prefilled, answers of preempted requests included. */
  prefilledTokens = 0;
  preemptions = 0;

  constructor(options: {
    readonly profile: EngineProfile;
    readonly rules: EngineRules;
    readonly listener: EngineListener;
    /** Another engine's cache, to be shared. */
    readonly cache?: BlockCache | undefined;
  }) {
    this.profile = options.profile;
    this.rules = options.rules;
    this.#listener = options.listener;
    this.#memory = new RequestMemory(this.profile.kvTokens, this.rules, options.listener, options.cache);
  }

  get cache(): BlockCache {
    return this.#memory.cache;
  }

  /** When `stepEnd` is due; infinity while idle. */
  get nextEventMs(): number {
    return this.#endMs;
  }

  get runningCount(): number {
    return this.prefilling.length + this.decodes.size;
  }

  /** False for a request that would not fit into an empty engine. */
  canEverServe(request: EngineRequest): boolean {
    return this.#memory.canEverHold(request);
  }

  /** A request arrives. */
  enqueue(request: EngineRequest, nowMs: number): void {
    this.waiting.push(request);
    if (!this.#stepping) this.#beginStep(nowMs);
    else if (this.#leap > 1 && this.waiting.length === 1) this.#cutLeap(nowMs);
  }

  /** Memory was freed by another engine that shares the cache: what waits may begin. */
  wake(nowMs: number): void {
    if (!this.#stepping && this.waiting.length > 0) this.#beginStep(nowMs);
  }

  /** The engine process dies and forgets everything. Returns the requests it had. */
  crash(): EngineRequest[] {
    const lost = [...this.waiting, ...this.prefilling, ...this.decodes.requests()];
    this.waiting.length = 0;
    this.prefilling.length = 0;
    this.decodes.clear();
    this.#memory.clear();
    this.#stepping = false;
    this.#endMs = Number.POSITIVE_INFINITY;
    return lost;
  }

  /** The step (or leap of steps) is over: tokens come out, requests end, and the next one begins. */
  stepEnd(nowMs: number): void {
    this.decodes.advance(this.#leap);
    if (this.rules.memory === "preempt") this.#growAnswers();
    for (const request of this.decodes.takeFinished()) this.#finish(request, nowMs);
    this.#endPrefills(nowMs);
    this.#beginStep(nowMs);
  }

  /** Admits what fits and starts the next step; idle if there is nothing to do. */
  #beginStep(nowMs: number): void {
    const load = this.#load;
    load.prefillTokens = 0;
    load.prefillPairs = 0;
    load.decodeSequences = this.decodes.size;
    load.decodeContextTokens = this.decodes.contextTokens;
    let budget = this.rules.stepBudget - load.decodeSequences;
    for (const request of this.prefilling) {
      if (budget <= 0) break;
      budget -= this.#chunk(request, budget);
    }
    while (budget > 0 && this.waiting.length > 0 && this.runningCount < this.rules.mostSequences) {
      const request = this.waiting[0] as EngineRequest;
      if (!this.#memory.admit(request)) break;
      this.waiting.shift();
      this.prefilling.push(request);
      budget -= this.#chunk(request, budget);
    }
    this.#stepping = load.prefillTokens > 0 || load.decodeSequences > 0;
    this.#stepStartMs = nowMs;
    this.#leap = load.prefillTokens > 0 ? 1 : this.#longestLeap();
    this.#endMs = this.#stepping ? nowMs + this.#timeOfSteps(this.#leap) : Number.POSITIVE_INFINITY;
  }

  #chunk(request: EngineRequest, budget: number): number {
    const tokens = Math.min(budget, request.targetTokens - request.computedTokens);
    request.chunkTokens = tokens;
    this.#load.prefillTokens += tokens;
    this.#load.prefillPairs += tokens * (request.computedTokens + tokens / 2);
    return tokens;
  }

  /** Steps until the next decode ends, or memory has to be looked at again. */
  #longestLeap(): number {
    const toEnd = this.decodes.stepsToNextEnd;
    if (this.rules.memory === "reserve") return toEnd;
    const perSequence = this.cache.availableBlocks / Math.max(1, this.decodes.size) - 1;
    return Math.max(1, Math.min(toEnd, Math.floor(perSequence * this.rules.blockTokens)));
  }

  /** An arrival during a leap: it ends with the step under way. */
  #cutLeap(nowMs: number): void {
    let low = 1;
    let high = this.#leap;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#stepStartMs + this.#timeOfSteps(middle) >= nowMs) high = middle;
      else low = middle + 1;
    }
    this.#leap = low;
    this.#endMs = this.#stepStartMs + this.#timeOfSteps(low);
  }

  /** Each decode step attends to one token more per sequence than the one before. */
  #timeOfSteps(steps: number): number {
    const growth = (this.profile.contextMs * this.#load.decodeSequences * steps * (steps - 1)) / 2;
    return this.slowdown * (steps * stepTimeMs(this.profile, this.#load) + growth);
  }

  #endPrefills(nowMs: number): void {
    let left = 0;
    const { prefilling } = this;
    for (const request of prefilling) {
      request.computedTokens += request.chunkTokens;
      this.prefilledTokens += request.chunkTokens;
      request.chunkTokens = 0;
      this.#memory.computed(request, request.computedTokens);
      if (request.computedTokens < request.targetTokens) {
        prefilling[left++] = request;
        continue;
      }
      request.emittedTokens++;
      if (request.emittedTokens === 1) this.#listener.firstToken(request, nowMs);
      if (request.emittedTokens >= request.outputTokens) this.#finish(request, nowMs);
      else this.decodes.add(request);
    }
    prefilling.length = left;
  }

  /** Gives growing answers their blocks; where there are none, the request admitted last starts over. */
  #growAnswers(): void {
    for (const request of this.decodes.requests()) {
      const lacking = this.#memory.lackingBlocks(request);
      if (lacking === 0 || !request.admitted) continue;
      while (lacking > this.cache.availableBlocks && this.#preemptNewest(request));
      if (request.admitted) this.#memory.grow(request);
    }
  }

  /** Sends the newest request back to the queue's head. False if that is `asking`, which has then been sent back. */
  #preemptNewest(asking: EngineRequest): boolean {
    const newest = this.prefilling.pop() ?? this.decodes.takeNewest() ?? asking;
    newest.chunkTokens = 0;
    this.#memory.release(newest);
    this.waiting.unshift(newest);
    this.preemptions++;
    return newest !== asking;
  }

  #finish(request: EngineRequest, nowMs: number): void {
    this.#memory.answered(request);
    this.#memory.release(request);
    this.#listener.finished(request, nowMs);
  }
}

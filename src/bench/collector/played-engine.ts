import { createBlockHasher } from "../../sim/engine/block-hash.ts";
import { BlockPool } from "../../sim/engine/block-pool.ts";
import { encodeKvEventBatch } from "../../sim/engine/kv-event-encoder.ts";
import { randomStream } from "../../sim/engine/random-stream.ts";
import { Scheduler } from "../../sim/engine/scheduler.ts";
import { Sequence } from "../../sim/engine/sequence.ts";
import type { CallTokens, ConversationTokens } from "./conversation-tokens.ts";

/** Tokens of a block, as engines have them by default. */
export const BLOCK_TOKENS = 16;

const LIMITS = { blockTokens: BLOCK_TOKENS, maxNumSeqs: 256, tokenBudget: 8_192 };
/** Part of a full cache that holds no whole block: the ends of conversations, and what running ones have not filled yet. */
const UNCACHED_SHARE = 0.05;
/** Conversations that a pod serves at a time. */
const CONVERSATIONS_AT_ONCE = 32;
/** What every prompt of a round begins with, so that a trace that is played again is cached anew. */
const OPENING_TOKENS = 32;
const LEAST_OPENING_ID = 1_000;
const MOST_OPENING_ID = 100_000;

const BOOT_S = 1_785_000_000;
const STEP_S = 0.02;

/** What an engine publishes after a step. */
export type Publication = { readonly payload: Buffer; readonly storedBlocks: number };

export type PlayedEngineOptions = {
  readonly conversations: readonly ConversationTokens[];
  /** Blocks with content in its cache, about, once it is full. */
  readonly blocks: number;
  readonly seed: number;
};

type Place = { readonly calls: ConversationTokens; readonly opening: Uint32Array; next: number };

/**
 * The simulated engine's cache and scheduler, driven without a clock: serves conversations of several turns, always as
 * many at a time, each turn when the one before is answered, round after round in an order of its own.
 */
export class PlayedEngine {
  readonly #options: PlayedEngineOptions;
  readonly #random: () => number;
  readonly #pool: BlockPool;
  readonly #scheduler: Scheduler;
  readonly #places = new Map<Sequence, Place>();
  #round: ConversationTokens[] = [];
  #opening = new Uint32Array(0);
  #steps = 0;
  #evicts = false;

  constructor(options: PlayedEngineOptions) {
    this.#options = options;
    this.#random = randomStream(options.seed);
    this.#pool = new BlockPool(Math.ceil(options.blocks / (1 - UNCACHED_SHARE)));
    this.#scheduler = new Scheduler(this.#pool, createBlockHasher("fast", String(options.seed)), LIMITS);
    for (let place = 0; place < CONVERSATIONS_AT_ONCE; place++) this.#submit(this.#nextPlace());
  }

  /** No block was left unused: each new one takes the place of another. */
  get isFull(): boolean {
    return this.#evicts;
  }

  /** Distinct blocks in the cache. */
  get cachedBlocks(): number {
    return this.#pool.cachedHashes().size;
  }

  /** Runs on to the next step that changes the cache. */
  next(): Publication {
    for (;;) {
      this.#scheduler.startStep();
      this.#steps++;
      for (const sequence of this.#scheduler.finishStep()) if (sequence.state === "finished") this.#goOn(sequence);
      const events = this.#pool.takeEvents();
      if (events.length === 0) continue;
      let storedBlocks = 0;
      for (const event of events) {
        if (event.type === "BlockStored") storedBlocks += event.blockHashes.length;
        else this.#evicts = true;
      }
      return { payload: encodeKvEventBatch(events, BOOT_S + STEP_S * this.#steps, "map"), storedBlocks };
    }
  }

  #goOn(answered: Sequence): void {
    const place = this.#places.get(answered);
    this.#places.delete(answered);
    this.#submit(place !== undefined && place.next < place.calls.length ? place : this.#nextPlace());
  }

  #submit(place: Place): void {
    const { prompt, answer } = place.calls[place.next++] as CallTokens;
    const opened = new Uint32Array(place.opening.length + prompt.length);
    opened.set(place.opening);
    opened.set(prompt, place.opening.length);
    const sequence = new Sequence(opened, answer, { adapter: null, cacheSalt: null });
    this.#places.set(sequence, place);
    this.#scheduler.submit(sequence);
  }

  #nextPlace(): Place {
    if (this.#round.length === 0) this.#beginRound();
    return { calls: this.#round.pop() as ConversationTokens, opening: this.#opening, next: 0 };
  }

  #beginRound(): void {
    const order = this.#options.conversations.map((calls) => ({ calls, at: this.#random() }));
    this.#round = order.sort((a, b) => a.at - b.at).map(({ calls }) => calls);
    const span = MOST_OPENING_ID - LEAST_OPENING_ID;
    this.#opening = Uint32Array.from(
      { length: OPENING_TOKENS },
      () => LEAST_OPENING_ID + Math.floor(span * this.#random()),
    );
  }
}

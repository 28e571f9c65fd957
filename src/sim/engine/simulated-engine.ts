import type { FaultOrder } from "./faults.ts";
import type { CacheContent } from "./kv-cache.ts";

/** What the engine knows about itself; token counts are those of requests that had their first token. */
export interface EngineState {
  readonly inFlight: number;
  readonly running: number;
  readonly waiting: number;
  readonly aborted: number;
  readonly finished: number;
  /** Blocks that requests hold, and blocks in the prefix cache, of all cache groups. */
  readonly blocksUsed: number;
  readonly blocksCached: number;
  readonly epoch: string;
  readonly prefillTokensComputed: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
}

/** A sequence in batch or queue. */
export interface RequestState {
  readonly state: string;
  readonly promptTokens: number;
  readonly cachedTokens: number | null;
  readonly generatedTokens: number;
}

/** A running engine. */
export interface SimulatedEngine {
  readonly name: string;
  /** Base URL of the API. */
  readonly url: string;
  /** Base URL of the control routes; answers whatever fault is on. */
  readonly control: string;
  /** PUB endpoint; null without KV events. */
  readonly kvEvents: string | null;
  /** ROUTER endpoint for replay; null without KV events. */
  readonly kvReplay: string | null;
  /** Another one after every restart. */
  readonly epoch: string;
  state(): EngineState;
  requests(): readonly RequestState[];
  /** What the cache holds of some tokens. Changes nothing. */
  contains(tokens: ArrayLike<number>, adapter?: string | null, cacheSalt?: string | null): CacheContent;
  /** Every cached block hash of a cache group (0, full attention, without one), as events carry it, with its copies. */
  cachedHashes(groupIndex?: number): Map<bigint, number>;
  resetStats(): void;
  /** Switches a fault on, or with `none` all of them off. Resolves when it is in force. */
  setFault(order: FaultOrder): Promise<void>;
  close(): Promise<void>;
}

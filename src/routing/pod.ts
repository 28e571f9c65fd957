import type { EnginePace, EnginePaceMeter, EngineTotals } from "./engine-pace.ts";
import type { InFlightHistory } from "./in-flight-history.ts";
import type { KvSharing } from "./kv-sharing.ts";
import type { PodOutlook } from "./outlook/pod-outlook.ts";

/** What an engine last said of itself. An absent gauge is unknown, never zero. */
export type EngineGauges = EngineTotals & {
  readonly running?: number | undefined;
  readonly waiting?: number | undefined;
  /** 0 to 1. */
  readonly kvUsage?: number | undefined;
  /** The engine's own measure of how full its batches are, 0 to 1. */
  readonly utilization?: number | undefined;
  /** Tokens generated in a second, as the engine measures it. */
  readonly generationTokensPerS?: number | undefined;
  /** LoRA adapters in the running batch and in the queue, and how many may be active at once. */
  readonly runningAdapters?: readonly string[] | undefined;
  readonly waitingAdapters?: readonly string[] | undefined;
  readonly mostAdapters?: number | undefined;
};

/**
 * How far a pod's claims can be trusted. `exact`: the edge renders what the engine tokenizes and the collector has seen
 * every event. `mixed`: some of what the pod holds is unknown; what is claimed is right. `approximate`: there are no
 * events, or they cannot be turned into claims.
 */
export type IndexState = { readonly mode: "exact" | "mixed" | "approximate"; readonly reason?: string | undefined };

/** The facts a collector reports about a pod. */
export type PodFacts = {
  readonly id: string;
  readonly cluster: string;
  readonly epoch: string;
  readonly url: string;
  readonly state: "ready" | "draining" | "unready";
  readonly servedModels: readonly string[];
  readonly capacityTokens?: number | undefined;
  readonly maxModelLen?: number | undefined;
  readonly blockTokens?: number | undefined;
  readonly index: IndexState;
};

/** A pod as the router sees it: reported facts, and the router's own account of what it has sent there. */
export type Pod = {
  readonly id: string;
  /** Of the id: policies that hash compare it with a request's. */
  readonly hash: number;
  /** The pod's number in the claim table; reused after the pod is gone. */
  readonly slot: number;
  /** The feed that reports it: only that feed can remove it. */
  source: string;
  facts: PodFacts;
  gauges: EngineGauges | undefined;
  /** The router's clock when the gauges were read in the engine. */
  gaugesAtMs: number;
  /** Our own leases at that moment. */
  leasesAtGauges: number;
  readonly kvSharing: KvSharing;
  /** What the engine's totals say of the last minute. */
  pace: EnginePace | undefined;
  paceMeter: EnginePaceMeter;
  reportedAtMs: number;

  /** Leases open on the pod. */
  inFlight: number;
  /** Leases without a first token. */
  awaitingFirstToken: number;
  /** Uncached prompt tokens of leases without a first token. */
  backlogTokens: number;
  /** Prompt tokens of all open leases. */
  promptTokensInFlight: number;
  /** When the prefill now running began: the last first token, or the send that found the pod without backlog. */
  headSinceMs: number;
  /** Uncached tokens of the oldest lease without a first token. */
  readonly awaiting: Map<string, number>;
  readonly history: InFlightHistory;
  readonly outlook: PodOutlook;

  /** Learned share of predicted hits that its engine confirms (see hit-yield.ts). */
  hitYield: number;
  requests: number;
  promptTokens: number;
  cachedTokens: number;
  /** Means of the latest requests as this router saw them: to the first token, and from there to the end. */
  firstTokenMs: number | undefined;
  decodeMs: number | undefined;
};

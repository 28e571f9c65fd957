import type { CandidateColumns } from "./candidate-columns.ts";
import type { EnginePace } from "./engine-pace.ts";
import type { LearnedRates } from "./learned-rates.ts";
import type { PlacementForecast, PodForecast } from "./outlook/forecast.ts";
import type { Chain } from "./outlook/pod-outlook.ts";
import type { EngineGauges } from "./pod.ts";
import type { PolicyMemory, PolicyMemoryView } from "./policy-memory.ts";
import type { Random } from "./random.ts";

/** What a policy may know about the request it places. Names of people and sessions come as hashes only. */
export type PolicyRequest = {
  /** The name the engine is asked for: base model, alias or adapter. */
  readonly model: string;
  readonly promptTokens: number;
  /** Full segments of the prompt that were hashed. */
  readonly segments: number;
  /** Choices asked for (`n`): multiplies decode, not prefill. */
  readonly choices: number;
  /** Set where `model` is a LoRA adapter: its name. */
  readonly adapter?: string | undefined;
  /** Hash of the session the client names. */
  readonly session?: string | undefined;
  /** Hash of the one who asks: the end user where the client names one, its API key otherwise. */
  readonly user?: string | undefined;
  /** Hash of how the conversation begins: its first user message or prompt, cut short. */
  readonly opening?: string | undefined;
  /** Half of the first segment's hash; undefined for a prompt without segments. */
  readonly firstSegment?: number | undefined;
  /** Where the request entered: what the network costs depends on it. */
  readonly origin?: string | undefined;
  /** The client would like its first token within this time. */
  readonly sloTtftMs?: number | undefined;
};

/** One pod a request may go to, with all a policy may know about it. What costs something is computed when read. */
export type Candidate = {
  readonly id: string;
  readonly cluster: string;
  /** Hash of the id (see rendezvous.ts). */
  readonly hash: number;
  /** Open leases of this router. */
  readonly inFlight: number;
  /** Requests of others on the engine, as far as it reports them (see load.ts). */
  readonly foreign: number;
  /** Open leases without a first token. */
  readonly awaitingFirstToken: number;
  /** Uncached prompt tokens of leases that have not seen a first token. */
  readonly backlogTokens: number;
  /** Milliseconds since the prefill at the head of the backlog began; 0 without backlog. */
  readonly headAgeMs: number;
  /** Uncached tokens of the request at the head of the backlog. */
  readonly headTokens: number;
  /** Prompt tokens of all open leases: the KV memory they hold at least. */
  readonly promptTokensInFlight: number;
  readonly capacityTokens: number | undefined;
  readonly maxModelLen: number | undefined;
  readonly blockTokens: number | undefined;
  /** Leading segments of the prompt the pod is believed to hold. */
  readonly matchedSegments: number;
  /** Tokens of the prompt the pod is believed to take from its cache. */
  readonly matchedTokens: number;
  /** The matched segments that KV events confirm. */
  readonly confirmedSegments: number;
  /** Confirmed ones that are in a host tier only: they have to be brought back first. */
  readonly hostSegments: number;
  /** Requests this router has sent there since the pod came up. */
  readonly requests: number;
  /** What the engine last reported; undefined where it reports nothing, or has not for a while. */
  readonly gauges: EngineGauges | undefined;
  /** How the engine has been doing lately by its own totals. */
  readonly pace: EnginePace | undefined;
  /** Share of about the last minute in which the pod had a lease open. */
  readonly busyShare: number;
  /** This router's own measure: mean time from sending to the first token, and from there to the end. */
  readonly firstTokenMs: number | undefined;
  readonly decodeMs: number | undefined;
  /** Work, flow and idle chains of the pod; undefined where nobody keeps account. */
  readonly outlook?: PodForecast | undefined;
};

/** What a policy chooses among. Those of a router come in columns as well: see candidate-columns.ts. */
export type Candidates = readonly Candidate[] & { readonly columns?: () => CandidateColumns };

/** What lies ahead of the request being placed. To be read only. */
export type RequestOutlook = {
  readonly account: PlacementForecast;
  /** The conversation the request goes on with. */
  readonly chain: Chain | undefined;
  /** What is known of its prompt is the beginning of many conversations. */
  readonly shared: boolean;
};

/** What a policy is given beside request and candidates. It reads no other clock, memory or randomness. */
export type PolicyContext = {
  readonly random: Random;
  readonly rates: LearnedRates;
  readonly nowMs: number;
  readonly memory: PolicyMemoryView;
  readonly outlook?: RequestOutlook | undefined;
  /** Requests that no pod has room for wait in the router, instead of being sent all the same. */
  readonly holdsRequests?: boolean | undefined;
};

/**
 * The chosen candidate and, for each candidate, the terms that decided: `terms[candidate * columns + column]`. Hardly any
 * decision is asked for its terms, so a policy may compute them when they are first read: before a count changes.
 */
export type PolicyDecision = {
  readonly chosen: number;
  readonly terms: Float64Array;
};

/** A decision that was carried out. */
export type PolicyPlacement = {
  readonly request: PolicyRequest;
  readonly candidates: readonly Candidate[];
  readonly chosen: Candidate;
  readonly nowMs: number;
  /** The request was placed before, on a pod that failed it. */
  readonly retried: boolean;
};

/** What a placed request came to, where its engine told. */
export type PolicyOutcome = {
  readonly request: PolicyRequest;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly nowMs: number;
};

/** Judges each pod by itself. */
export type Scorer = {
  readonly best: "lowest" | "highest";
  /** Writes one score a candidate; NaN where nothing is known of it. */
  score(request: PolicyRequest, candidates: readonly Candidate[], context: PolicyContext, scores: Float64Array): void;
};

/**
 * A way to choose. `decide` is pure: equal arguments (the random source and the memory included) give equal decisions,
 * and nothing is changed. `candidates` is never empty, is in the order of the ids, and is not to be kept.
 */
export type Policy = {
  readonly name: string;
  /** Names of the term columns, units included. */
  readonly columns: readonly string[];
  decide(request: PolicyRequest, candidates: Candidates, context: PolicyContext): PolicyDecision;
  /**
   * It looks at what pods hold of a prompt, so that a choice which is not open may be worth waiting for: as long as the
   * wait is in proportion to the prefill it saves (see dispatch-pass.ts). Others choose among the open pods.
   */
  readonly waitsForChoice?: boolean;
  /** For blends; absent where the policy does not judge pods one by one. */
  readonly scorer?: Scorer | undefined;
  /** Remembers a placement, after the decision. */
  readonly placed?: ((placement: PolicyPlacement, memory: PolicyMemory) => void) | undefined;
  /** Corrects the memory by what the request really came to. */
  readonly settled?: ((outcome: PolicyOutcome, memory: PolicyMemory) => void) | undefined;
};

/** Requests on a pod: of this router and, as far as its engine tells, of others. */
export function requestsOn(candidate: Candidate): number {
  return candidate.inFlight + candidate.foreign;
}

/** The index of a smallest value, with ties (differences up to `band`) broken at random. */
export function pickLowest(values: Float64Array, random: Random, band = 0): number {
  let lowest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < values.length; i++) if ((values[i] as number) < lowest) lowest = values[i] as number;
  let tied = 0;
  for (let i = 0; i < values.length; i++) if ((values[i] as number) <= lowest + band) tied++;
  let skip = Math.floor(random() * tied);
  for (let i = 0; i < values.length; i++) {
    if ((values[i] as number) <= lowest + band && skip-- === 0) return i;
  }
  return 0;
}

/** The index of a largest value, ties within `band` at random. */
export function pickHighest(values: Float64Array, random: Random, band = 0): number {
  const negated = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) negated[i] = -(values[i] as number);
  return pickLowest(negated, random, band);
}

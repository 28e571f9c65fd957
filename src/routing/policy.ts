import type { LearnedRates } from "./learned-rates.ts";
import type { PlacementOutlook } from "./outlook/placement-outlook.ts";
import type { Chain, PodOutlook } from "./outlook/pod-outlook.ts";
import type { Random } from "./random.ts";

/** What a policy may know about the request it places. */
export type PolicyRequest = {
  readonly promptTokens: number;
  /** Full segments of the prompt that were hashed. */
  readonly segments: number;
  /** Choices asked for (`n`): multiplies decode, not prefill. */
  readonly choices: number;
};

/** One pod a request may go to, with all a policy may know about it. */
export type Candidate = {
  readonly id: string;
  /** Open leases of this router. */
  readonly inFlight: number;
  /** Requests of others on the engine, as far as it reports them (see load.ts). */
  readonly foreign: number;
  /** Uncached prompt tokens of leases that have not seen a first token. */
  readonly backlogTokens: number;
  /** Milliseconds since the prefill at the head of the backlog began; 0 without backlog. */
  readonly headAgeMs: number;
  /** Uncached tokens of the request at the head of the backlog. */
  readonly headTokens: number;
  /** Prompt tokens of all open leases: the KV memory they hold at least. */
  readonly promptTokensInFlight: number;
  readonly capacityTokens: number | undefined;
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
  /** Work, flow and idle chains of the pod; undefined where nobody keeps account. */
  readonly outlook?: PodOutlook | undefined;
};

/** What lies ahead of the request being placed. To be read only. */
export type RequestOutlook = {
  readonly account: PlacementOutlook;
  /** The conversation the request goes on with. */
  readonly chain: Chain | undefined;
  readonly nowMs: number;
};

/** What a policy is given beside request and candidates. It reads no clock and no other randomness. */
export type PolicyContext = {
  readonly random: Random;
  readonly rates: LearnedRates;
  /** Decisions taken so far for this model; grows by one each time. */
  readonly turn: number;
  readonly outlook?: RequestOutlook | undefined;
};

/** The chosen candidate and, for each candidate, the terms that decided: `terms[candidate * columns + column]`. */
export type PolicyDecision = {
  readonly chosen: number;
  readonly terms: Float64Array;
};

/**
 * A way to choose. Pure: equal arguments (the random source included) give equal decisions. `candidates` is never
 * empty and is not to be kept.
 */
export type Policy = {
  readonly name: string;
  /** Names of the term columns, units included. */
  readonly columns: readonly string[];
  decide(request: PolicyRequest, candidates: readonly Candidate[], context: PolicyContext): PolicyDecision;
};

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

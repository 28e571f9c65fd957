import type { Candidate } from "./policy.ts";

/**
 * What a policy reads of every candidate, in columns by candidate: one after the other in memory, where the objects are
 * all over it. To be read only, and good for one decision.
 */
export type CandidateColumns = {
  /** Requests on the pod: of this router and, as far as its engine tells, of others. */
  readonly requests: Float64Array;
  /** Prompt tokens of all open leases. */
  readonly promptTokensInFlight: Float64Array;
  /** 0 where it is not known. */
  readonly capacityTokens: Float64Array;
  /** Tokens of the prompt that the pod is believed to take from its cache, */
  readonly matchedTokens: Float64Array;
  /** and those of them that it keeps in host memory only. */
  readonly hostTokens: Float64Array;
  /** 0 where nothing waits for its prefill. */
  readonly awaiting: Float64Array;
};

/** The columns of candidates that come without. */
export function columnsOf(candidates: readonly Candidate[]): CandidateColumns {
  return {
    requests: Float64Array.from(candidates, ({ inFlight, foreign }) => inFlight + foreign),
    promptTokensInFlight: Float64Array.from(candidates, (candidate) => candidate.promptTokensInFlight),
    capacityTokens: Float64Array.from(candidates, ({ capacityTokens = 0 }) => capacityTokens),
    matchedTokens: Float64Array.from(candidates, ({ matchedTokens }) => matchedTokens),
    hostTokens: Float64Array.from(candidates, hostTokens),
    // Of a pod with an account of its own, counts do not tell.
    awaiting: Float64Array.from(candidates, ({ backlogTokens, outlook }) =>
      backlogTokens > 0 || outlook !== undefined ? 1 : 0,
    ),
  };
}

function hostTokens({ hostSegments, matchedSegments, matchedTokens }: Candidate): number {
  return hostSegments === 0 ? 0 : (matchedTokens * hostSegments) / matchedSegments;
}

import type { CandidateField } from "./candidates.ts";
import type { HitPrediction } from "./lease-ledger.ts";
import type { DecisionRecord, RouteRequest } from "./placement.ts";
import type { Pod } from "./pod.ts";
import type { PodMatches } from "./pod-matches.ts";
import type { Candidate, Policy, PolicyContext, PolicyDecision, PolicyPlacement, PolicyRequest } from "./policy.ts";
import { promptLength } from "./prompt-length.ts";

/** What a decision is made from, beside the request. `matches` belong to the pods of `field`. */
export type DecisionTerms = PolicyContext & {
  readonly policy: Policy;
  readonly field: CandidateField;
  readonly matches: PodMatches;
  readonly adopting: boolean;
  /** The request was placed before, on a pod that failed it. */
  readonly retried: boolean;
};

/** The chosen pod, with what its lease needs to know. */
export type Decided = {
  readonly pod: Pod;
  readonly promptTokens: number;
  readonly matchedTokens: number;
  /** Undefined for a prompt without segments. */
  readonly prediction: HitPrediction | undefined;
  /** For the policy's memory; good until a count changes. */
  readonly placement: PolicyPlacement;
  /** As the policy made it. */
  readonly decision: PolicyDecision;
  /** The whole record, made on demand and before a count changes: most requests never ask for it. */
  readonly record: () => DecisionRecord;
};

/** Asks the policy. Pure: equal arguments give equal decisions. The field is not empty. */
export function decide(request: RouteRequest, terms: DecisionTerms): Decided {
  const { policy, field, matches, rates, nowMs, adopting, retried } = terms;
  const promptTokens = request.promptTokens ?? promptLength(request, matches, rates);
  const segments = request.segments.length / 2;
  const candidates = field.judge({ promptTokens, matches, nowMs, adopting });
  const asked = policyRequest(request, promptTokens);
  const decision = policy.decide(asked, candidates, terms);
  const { chosen } = decision;
  const pod = field.columns.pods[chosen] as Pod;
  const candidate = candidates[chosen] as Candidate;
  const { matchedTokens, matchedSegments } = candidate;
  const toleranceTokens = request.segmentBytes / rates.bytesPerToken + (pod.facts.blockTokens ?? 0);
  return {
    pod,
    promptTokens,
    matchedTokens,
    decision,
    placement: { request: asked, candidates, chosen: candidate, nowMs, retried },
    prediction: segments === 0 ? undefined : { hitTokens: matchedTokens, toleranceTokens },
    record: () => ({
      policy: policy.name,
      chosen: pod.id,
      promptTokens,
      matchedTokens,
      matchedSegments,
      columns: policy.columns,
      candidates: candidates.map(({ id }) => id),
      terms: candidates.map((_, i) => rowOf(decision.terms, i, policy.columns.length)),
    }),
  };
}

/** The request as policies see it. */
export function policyRequest(request: RouteRequest, promptTokens: number): PolicyRequest {
  const { model, segments, choices, adapter, session, user, sloTtftMs } = request;
  return {
    model,
    promptTokens,
    segments: segments.length / 2,
    choices,
    adapter,
    session,
    user,
    opening: request.opening,
    firstSegment: segments[0],
    origin: request.origin,
    sloTtftMs,
  };
}

function rowOf(values: Float64Array, row: number, width: number): number[] {
  return [...values.subarray(row * width, (row + 1) * width)];
}

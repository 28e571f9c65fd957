import { foreignLoad } from "./load.ts";
import type { Pod } from "./pod.ts";
import type { PodMatch } from "./pod-claims.ts";
import type { Candidate } from "./policy.ts";

/** What a prompt's candidates are judged by, beside the pods' own counts. */
export type CandidateTerms = {
  readonly promptTokens: number;
  /** What each pod is believed to hold of the prompt. */
  readonly matches: readonly PodMatch[];
  readonly nowMs: number;
  /** Leases of before a restart are still being adopted (see load.ts). */
  readonly adopting: boolean;
};

/** The pods as policies see them, in the same order. */
export function candidatesOf(pods: readonly Pod[], terms: CandidateTerms): Candidate[] {
  const { promptTokens, matches, nowMs, adopting } = terms;
  const foreign = foreignLoad(pods, adopting);
  const candidates: Candidate[] = new Array(pods.length);
  for (let i = 0; i < pods.length; i++) {
    const pod = pods[i] as Pod;
    const match = matches[i] as PodMatch;
    const idle = pod.awaiting.size === 0;
    candidates[i] = {
      id: pod.id,
      inFlight: pod.inFlight,
      foreign: foreign[i] as number,
      backlogTokens: pod.backlogTokens,
      headAgeMs: idle ? 0 : nowMs - pod.headSinceMs,
      headTokens: idle ? 0 : (pod.awaiting.values().next().value ?? 0),
      promptTokensInFlight: pod.promptTokensInFlight,
      capacityTokens: pod.facts.capacityTokens,
      matchedSegments: match.segments,
      matchedTokens: hitTokens(match.tokens, promptTokens, pod.facts.blockTokens ?? 1),
      confirmedSegments: match.confirmedSegments,
      hostSegments: match.hostSegments,
      requests: pod.requests,
      outlook: pod.outlook,
    };
  }
  return candidates;
}

/**
 * The tokens an engine will take from its cache when it holds the first `heldTokens` of a prompt: full blocks only, and
 * at least one token is recomputed, so that there is something to sample from.
 */
export function hitTokens(heldTokens: number, promptTokens: number, blockTokens: number): number {
  const most = Math.max(0, Math.min(heldTokens, promptTokens - 1));
  return Math.floor(most / blockTokens) * blockTokens;
}

import type { EnginePace } from "./engine-pace.ts";
import { foreignLoad, freshGauges } from "./load.ts";
import type { EngineGauges, Pod } from "./pod.ts";
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

/**
 * The pods as policies see them, in the same order. They read the live counts: they are good until the next change of
 * any pod, that is, for one decision.
 */
export function candidatesOf(pods: readonly Pod[], terms: CandidateTerms): Candidate[] {
  const field = new Field(pods, terms);
  const candidates: Candidate[] = new Array(pods.length);
  for (let i = 0; i < pods.length; i++) {
    candidates[i] = new PodCandidate(pods[i] as Pod, terms.matches[i] as PodMatch, field, i);
  }
  return candidates;
}

/** What the candidates of one decision have in common. */
class Field {
  readonly #pods: readonly Pod[];
  readonly #terms: CandidateTerms;
  #foreign: Float64Array | undefined;

  constructor(pods: readonly Pod[], terms: CandidateTerms) {
    this.#pods = pods;
    this.#terms = terms;
  }

  get promptTokens(): number {
    return this.#terms.promptTokens;
  }

  get nowMs(): number {
    return this.#terms.nowMs;
  }

  /** Compares the pods with each other, so it is computed for all of them at the first question. */
  foreign(index: number): number {
    this.#foreign ??= foreignLoad(this.#pods, this.#terms.nowMs, this.#terms.adopting);
    return this.#foreign[index] as number;
  }
}

/** One small object a pod: most policies read a few of these values and pay for no other. */
class PodCandidate implements Candidate {
  readonly #pod: Pod;
  readonly #match: PodMatch;
  readonly #field: Field;
  readonly #index: number;

  constructor(pod: Pod, match: PodMatch, field: Field, index: number) {
    this.#pod = pod;
    this.#match = match;
    this.#field = field;
    this.#index = index;
  }

  get id(): string {
    return this.#pod.id;
  }

  get hash(): number {
    return this.#pod.hash;
  }

  get inFlight(): number {
    return this.#pod.inFlight;
  }

  get foreign(): number {
    return this.#field.foreign(this.#index);
  }

  get awaitingFirstToken(): number {
    return this.#pod.awaitingFirstToken;
  }

  get backlogTokens(): number {
    return this.#pod.backlogTokens;
  }

  get headAgeMs(): number {
    return this.#pod.awaiting.size === 0 ? 0 : this.#field.nowMs - this.#pod.headSinceMs;
  }

  get headTokens(): number {
    return this.#pod.awaiting.size === 0 ? 0 : (this.#pod.awaiting.values().next().value ?? 0);
  }

  get promptTokensInFlight(): number {
    return this.#pod.promptTokensInFlight;
  }

  get capacityTokens(): number | undefined {
    return this.#pod.facts.capacityTokens;
  }

  get maxModelLen(): number | undefined {
    return this.#pod.facts.maxModelLen;
  }

  get blockTokens(): number | undefined {
    return this.#pod.facts.blockTokens;
  }

  get matchedSegments(): number {
    return this.#match.segments;
  }

  get matchedTokens(): number {
    return hitTokens(this.#match.tokens, this.#field.promptTokens, this.#pod.facts.blockTokens ?? 1);
  }

  get confirmedSegments(): number {
    return this.#match.confirmedSegments;
  }

  get hostSegments(): number {
    return this.#match.hostSegments;
  }

  get requests(): number {
    return this.#pod.requests;
  }

  get gauges(): EngineGauges | undefined {
    return freshGauges(this.#pod, this.#field.nowMs);
  }

  get pace(): EnginePace | undefined {
    return this.gauges && this.#pod.pace;
  }

  get busyShare(): number {
    return this.#pod.history.busyShare(this.#field.nowMs);
  }

  get firstTokenMs(): number | undefined {
    return this.#pod.firstTokenMs;
  }

  get decodeMs(): number | undefined {
    return this.#pod.decodeMs;
  }
}

/**
 * The tokens an engine will take from its cache when it holds the first `heldTokens` of a prompt: full blocks only, and
 * at least one token is recomputed, so that there is something to sample from.
 */
export function hitTokens(heldTokens: number, promptTokens: number, blockTokens: number): number {
  const most = Math.max(0, Math.min(heldTokens, promptTokens - 1));
  return Math.floor(most / blockTokens) * blockTokens;
}

import type { CandidateColumns } from "./candidate-columns.ts";
import type { EnginePace } from "./engine-pace.ts";
import { foreignLoad, foreignLoadHoldsUntilMs, freshGauges } from "./load.ts";
import type { PodOutlook } from "./outlook/pod-outlook.ts";
import type { EngineGauges, Pod } from "./pod.ts";
import { PodColumns } from "./pod-columns.ts";
import { PodMatches } from "./pod-matches.ts";
import type { Candidate, Candidates } from "./policy.ts";

/** What a prompt's candidates are judged by, beside the pods' own counts. */
export type CandidateTerms = {
  readonly promptTokens: number;
  /** What each pod is believed to hold of the prompt. */
  readonly matches: PodMatches;
  readonly nowMs: number;
  /** Leases of before a restart are still being adopted (see load.ts). */
  readonly adopting: boolean;
};

/**
 * Pods as policies see them, for one decision after another. Candidates read the live counts and the terms of the last
 * `judge`: they are good for one decision. They are made once a report, when facts change, and not for each request.
 */
export class CandidateField {
  /** The pods, in the order of the candidates. */
  readonly columns: PodColumns;
  readonly #candidates: Candidates;
  #terms: CandidateTerms = { promptTokens: 0, matches: new PodMatches(), nowMs: 0, adopting: false };
  readonly #hits: Float64Array;
  #hitsKnown = false;
  #foreign: Float64Array | undefined;
  #foreignUntilMs = 0;
  readonly #read: CandidateColumns;
  /** Whether a pod may have tokens in a host tier only, by those columns. */
  #anyHost = false;

  constructor(pods: readonly Pod[]) {
    this.columns = new PodColumns(pods);
    this.#hits = new Float64Array(pods.length);
    this.#read = {
      requests: new Float64Array(pods.length),
      promptTokensInFlight: new Float64Array(pods.length),
      capacityTokens: Float64Array.from(pods, ({ facts }) => facts.capacityTokens ?? 0),
      matchedTokens: this.#hits,
      hostTokens: new Float64Array(pods.length),
      awaiting: new Float64Array(pods.length),
    };
    const candidates = pods.map((pod, index) => new PodCandidate(pod, this, index));
    this.#candidates = Object.assign(candidates, { columns: () => this.#readAll() });
  }

  /** The candidates for a prompt. Those of the prompt before are void. */
  judge(terms: CandidateTerms): Candidates {
    this.#terms = terms;
    this.#hitsKnown = false;
    if (terms.adopting || terms.nowMs > this.#foreignUntilMs) this.#foreign = undefined;
    return this.#candidates;
  }

  /** Those of the last `judge`. */
  get terms(): CandidateTerms {
    return this.#terms;
  }

  /** Tokens a pod takes from its cache. Most policies ask for all pods', or for none's. */
  matchedTokens(index: number): number {
    if (!this.#hitsKnown) this.#findHits();
    return this.#hits[index] as number;
  }

  /** Compares the pods with each other, so it is computed for all of them at the first question. */
  foreign(index: number): number {
    return (this.#foreign ?? this.#compareForeign())[index] as number;
  }

  /** What all candidates are now, by the terms of the last `judge`. */
  #readAll(): CandidateColumns {
    const { pods } = this.columns;
    const { requests, promptTokensInFlight, awaiting } = this.#read;
    const foreign = this.#foreign ?? this.#compareForeign();
    if (!this.#hitsKnown) this.#findHits();
    for (let i = 0; i < pods.length; i++) {
      const pod = pods[i] as Pod;
      requests[i] = pod.inFlight + (foreign[i] as number);
      promptTokensInFlight[i] = pod.promptTokensInFlight;
      awaiting[i] = pod.awaitingFirstToken;
    }
    this.#readHost();
    return this.#read;
  }

  #readHost(): void {
    const { hostTokens, matchedTokens } = this.#read;
    const { anyHost, hostSegments, segments } = this.#terms.matches;
    if (this.#anyHost) hostTokens.fill(0);
    this.#anyHost = anyHost;
    if (!anyHost) return;
    for (let i = 0; i < hostTokens.length; i++) {
      const host = hostSegments[i] as number;
      if (host > 0) hostTokens[i] = ((matchedTokens[i] as number) * host) / (segments[i] as number);
    }
  }

  #findHits(): void {
    const { promptTokens, matches } = this.#terms;
    const { tokens } = matches;
    const { blockTokens } = this.columns;
    const hits = this.#hits;
    let hit = 0;
    for (let i = 0; i < hits.length; i++) {
      // Most pods hold the same: nothing, or what all prompts begin with.
      if (i === 0 || tokens[i] !== tokens[i - 1] || blockTokens[i] !== blockTokens[i - 1]) {
        hit = hitTokens(tokens[i] as number, promptTokens, blockTokens[i] as number);
      }
      hits[i] = hit;
    }
    this.#hitsKnown = true;
  }

  #compareForeign(): Float64Array {
    const { nowMs, adopting } = this.#terms;
    const { pods } = this.columns;
    this.#foreign = foreignLoad(pods, nowMs, adopting);
    this.#foreignUntilMs = adopting ? nowMs : foreignLoadHoldsUntilMs(pods, nowMs);
    return this.#foreign;
  }
}

/** One small object a pod: most policies read a few of these values and pay for no other. */
class PodCandidate implements Candidate {
  readonly #pod: Pod;
  readonly #field: CandidateField;
  readonly #index: number;
  readonly id: string;
  readonly cluster: string;
  readonly hash: number;
  readonly outlook: PodOutlook;
  readonly capacityTokens: number | undefined;
  readonly maxModelLen: number | undefined;
  readonly blockTokens: number | undefined;

  constructor(pod: Pod, field: CandidateField, index: number) {
    this.#pod = pod;
    this.#field = field;
    this.#index = index;
    this.id = pod.id;
    this.cluster = pod.facts.cluster;
    this.hash = pod.hash;
    this.outlook = pod.outlook;
    this.capacityTokens = pod.facts.capacityTokens;
    this.maxModelLen = pod.facts.maxModelLen;
    this.blockTokens = pod.facts.blockTokens;
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
    return this.#pod.awaiting.size === 0 ? 0 : this.#field.terms.nowMs - this.#pod.headSinceMs;
  }

  get headTokens(): number {
    return this.#pod.awaiting.size === 0 ? 0 : (this.#pod.awaiting.values().next().value ?? 0);
  }

  get promptTokensInFlight(): number {
    return this.#pod.promptTokensInFlight;
  }

  get matchedSegments(): number {
    return this.#field.terms.matches.segments[this.#index] as number;
  }

  get matchedTokens(): number {
    return this.#field.matchedTokens(this.#index);
  }

  get confirmedSegments(): number {
    return this.#field.terms.matches.confirmedSegments[this.#index] as number;
  }

  get hostSegments(): number {
    return this.#field.terms.matches.hostSegments[this.#index] as number;
  }

  get requests(): number {
    return this.#pod.requests;
  }

  get gauges(): EngineGauges | undefined {
    return freshGauges(this.#pod, this.#field.terms.nowMs);
  }

  get pace(): EnginePace | undefined {
    return this.gauges && this.#pod.pace;
  }

  get busyShare(): number {
    return this.#pod.history.busyShare(this.#field.terms.nowMs);
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

import { AdoptedLeases } from "./adopted-leases.ts";
import { ChainIndex } from "./chain-index.ts";
import { DecayedRate } from "./decayed-rate.ts";
import { evictionCostMs } from "./eviction-cost.ts";
import type { EvictionForecast } from "./forecast.ts";
import { NetworkDelays } from "./network-delays.ts";
import type { Chain, PodOutlook } from "./pod-outlook.ts";
import {
  PrefillCostLearner,
  type PrefillRates,
  type PrefillSums,
  type PrefillWork,
  prefillMs,
  prefillWork,
} from "./prefill-cost.ts";
import { type ReturnTable, ReturnTimes } from "./return-times.ts";

/** Marks of chains kept: some thousand conversations. */
const MOST_MARKS = 1 << 17;
/** A prompt continues a chain if it has at least this share of the chain's last prompt. */
const LEAST_CONTINUED = 0.5;
/** A segment that so many chains more took from each other than kept is the beginning of many conversations. */
const SHARED_TAKEOVERS = 3;
/** Waits with more work than this say more about prefill than about the network. */
const MOST_TOKENS_FOR_DELAY = 1_024;
const FLEET_MEMORY_MS = 60_000;
/** Weight of the newest answer in the mean length; before any, this length. */
const ANSWER_WEIGHT = 0.01;
const PRIOR_ANSWER_TOKENS = 300;
/** Of the time since the head's prefill began, this share went into it; the rest into decodes beside it. */
const HEAD_PROGRESS = 0.7;
/** At most this share of it is taken as done. */
const MOST_HEAD_DONE = 0.95;

/** What a prompt goes on from. */
export type Continuation = {
  /** The idle chain it goes on with; forks and shared system prompts begin chains of their own. */
  readonly chain: Chain | undefined;
  /** What is known of the prompt is the beginning of many conversations. */
  readonly shared: boolean;
};

const NOTHING_KNOWN: Continuation = { chain: undefined, shared: false };
const SHARED: Continuation = { chain: undefined, shared: true };

/** A placement to be remembered. */
export type OutlookPlacement = {
  readonly leaseId: string;
  readonly pod: PodOutlook;
  readonly segments: Uint32Array;
  readonly promptTokens: number;
  readonly matchedTokens: number;
  readonly capacityTokens: number | undefined;
  /** Where the request entered, and the cluster it goes to. */
  readonly origin: string;
  readonly cluster: string;
  /** The idle chain it goes on with, as `continued` has just told. */
  readonly continued: Chain | undefined;
};

type Placed = {
  readonly pod: PodOutlook;
  readonly chain: Chain;
  readonly promptTokens: number;
  /** Prompt tokens that only this chain accounts for. */
  readonly ownTokens: number;
  readonly capacityTokens: number | undefined;
  readonly origin: string;
  readonly cluster: string;
  /** Everything that had to be prefilled before its first token. */
  readonly workBefore: PrefillWork;
};

/** What was learned, as a checkpoint keeps it: rates and habits, nothing of single conversations or pods. */
export type OutlookLessons = {
  readonly prefill: PrefillSums;
  readonly answerTokens: number;
  readonly returns: ReturnTable;
  readonly network: readonly (readonly [origin: string, cluster: string, delayMs: number])[];
};

/** Of the network's delays a checkpoint keeps this many. */
const MOST_KEPT_DELAYS = 256;

/**
 * What lies ahead of a placement, per model: how fast prefill is, which conversations will come back, how busy the pods
 * are. Fed by the router with each placement, first token and end; read by `warmpath`. Bounded memory, no clock.
 */
export class PlacementOutlook {
  readonly returns = new ReturnTimes();
  readonly network = new NetworkDelays();
  readonly adopted = new AdoptedLeases();
  readonly #prefill = new PrefillCostLearner();
  readonly #chains = new ChainIndex<Chain>(MOST_MARKS);
  readonly #placed = new Map<string, Placed>();
  readonly #arrivals: DecayedRate;
  readonly #work: DecayedRate;
  #answerTokens = PRIOR_ANSWER_TOKENS;
  #lastChain = 0;

  constructor(nowMs: number) {
    this.#arrivals = new DecayedRate(FLEET_MEMORY_MS, nowMs);
    this.#work = new DecayedRate(FLEET_MEMORY_MS, nowMs);
  }

  get rates(): PrefillRates {
    return this.#prefill.rates;
  }

  get lessons(): OutlookLessons {
    return {
      prefill: this.#prefill.sums,
      answerTokens: this.#answerTokens,
      returns: this.returns.table,
      network: this.network.entries(MOST_KEPT_DELAYS),
    };
  }

  /** Takes up what was learned before a restart. Only before anything is sent. */
  restore({ prefill, answerTokens, returns, network }: OutlookLessons): void {
    this.#prefill.restore(prefill);
    this.#answerTokens = answerTokens;
    this.returns.restore(returns);
    this.network.restore(network);
  }

  /** Mean length of an answer. */
  get answerTokens(): number {
    return this.#answerTokens;
  }

  /** Arrivals of the whole fleet. */
  arrivalsPerMs(nowMs: number): number {
    return this.#arrivals.perMs(nowMs);
  }

  /** Prefill work sent to the whole fleet. */
  workPerMs(nowMs: number): number {
    return this.#work.perMs(nowMs);
  }

  /** Time until a pod has prefilled what waits there, what is done of its head taken off. */
  backlogMs(pod: PodOutlook, nowMs: number): number {
    const { rates } = this;
    const awaitingMs = pod.awaitingMs(rates);
    return awaitingMs === 0 ? 0 : awaitingMs - headDoneMs(pod.headMs(rates), nowMs - pod.headSinceMs);
  }

  /** Expected time of recomputing what a placement pushes out of the pod's cache (see eviction-cost.ts). */
  evictionMs({ pod, capacityTokens, newTokens, chain }: EvictionForecast<PodOutlook>, nowMs: number): number {
    const { returns, rates, answerTokens } = this;
    const neededTokens = newTokens + answerTokens;
    return evictionCostMs({ pod, capacityTokens, neededTokens, answerTokens, chain, returns, rates, nowMs });
  }

  /** What a prompt goes on from. */
  continued(segments: Uint32Array, segmentTokens: number): Continuation {
    const found = this.#chains.deepest(segments);
    if (found === undefined) return NOTHING_KNOWN;
    const { chain, takeovers } = found;
    if (takeovers >= SHARED_TAKEOVERS) return SHARED;
    if (chain.inFlight > 0) return NOTHING_KNOWN;
    const knownTokens = found.segments * segmentTokens;
    return knownTokens >= LEAST_CONTINUED * chain.lastPromptTokens ? { chain, shared: false } : NOTHING_KNOWN;
  }

  /** A request was sent. */
  sent(placement: OutlookPlacement, nowMs: number): void {
    const { leaseId, pod, segments, promptTokens, matchedTokens, capacityTokens, continued, origin, cluster } =
      placement;
    const chain = continued ?? newChain(++this.#lastChain, pod);
    if (continued !== undefined) this.returns.returned(chain, nowMs);
    const resident = continued && pod.drop(chain);
    // What was matched and is not the chain's own belongs to others that share it.
    const ownTokens = promptTokens - Math.max(0, matchedTokens - (resident?.tokens ?? 0));
    chain.idleSinceMs = undefined;
    chain.inFlight++;
    chain.home = pod;
    chain.lastPromptTokens = promptTokens;
    this.#chains.mark(segments, chain);

    const work = prefillWork(promptTokens, matchedTokens);
    const ownMs = prefillMs(this.rates, work);
    const ahead = pod.awaitingWork;
    const left = 1 - this.#headShareDone(pod, nowMs);
    const workBefore = { newTokens: ahead.newTokens * left + work.newTokens, pairs: ahead.pairs * left + work.pairs };
    this.#placed.set(leaseId, { pod, chain, promptTokens, ownTokens, capacityTokens, origin, cluster, workBefore });
    pod.sent(leaseId, work, ownTokens, nowMs);
    pod.arrivals.add(1, nowMs);
    pod.work.add(ownMs, nowMs);
    pod.insertions.add(work.newTokens + this.#answerTokens, nowMs);
    this.#arrivals.add(1, nowMs);
    this.#work.add(ownMs, nowMs);
    if (capacityTokens !== undefined) pod.trim(capacityTokens, pod.leases * this.#answerTokens);
  }

  /** Its first token came, `waitMs` after it was sent. */
  firstToken(leaseId: string, waitMs: number, nowMs: number): void {
    const placed = this.#placed.get(leaseId);
    if (placed === undefined) {
      this.adopted.firstToken(leaseId, nowMs);
      return;
    }
    placed.pod.stopsWaiting(leaseId, nowMs);
    const { workBefore, origin, cluster } = placed;
    if (workBefore.newTokens < MOST_TOKENS_FOR_DELAY) {
      this.network.observe(origin, cluster, waitMs, prefillMs(this.rates, workBefore));
    }
    // Never most of a wait: the two estimates would feed on each other where all prompts are alike.
    const delayMs = Math.min(this.network.from(origin).get(cluster) ?? 0, waitMs / 2);
    this.#prefill.observe(workBefore, waitMs - delayMs);
  }

  /** It is over. `prefilled`: the pod did the work, and so keeps the prompt. */
  ended(leaseId: string, prefilled: boolean, answerTokens: number | undefined, nowMs: number): void {
    const placed = this.#placed.get(leaseId);
    if (placed === undefined) {
      this.adopted.end(leaseId, nowMs);
      return;
    }
    this.#placed.delete(leaseId);
    const { pod, chain, promptTokens, ownTokens, capacityTokens } = placed;
    pod.ended(leaseId, ownTokens, nowMs);
    chain.inFlight--;
    if (answerTokens !== undefined) this.#answerTokens += ANSWER_WEIGHT * (answerTokens - this.#answerTokens);
    if (!prefilled) return;
    chain.turns++;
    chain.idleSinceMs = nowMs;
    pod.keep(chain, ownTokens, promptTokens);
    this.returns.turnEnded(chain, nowMs);
    if (capacityTokens !== undefined) pod.trim(capacityTokens, pod.leases * this.#answerTokens);
  }

  #headShareDone(pod: PodOutlook, nowMs: number): number {
    const allMs = pod.awaitingMs(this.rates);
    return allMs > 0 ? headDoneMs(pod.headMs(this.rates), nowMs - pod.headSinceMs) / allMs : 0;
  }
}

function newChain(id: number, home: PodOutlook): Chain {
  const none = { idleSinceMs: undefined, spell: undefined, residents: [] };
  return { id, turns: 0, home, lastPromptTokens: 0, inFlight: 0, ...none };
}

/** How much of a prefill of `headMs` is taken as done when it has been at the head of the backlog for `ageMs`. */
export function headDoneMs(headMs: number, ageMs: number): number {
  return Math.min(MOST_HEAD_DONE * headMs, HEAD_PROGRESS * ageMs);
}

import { DecayedRate } from "./decayed-rate.ts";
import { type PrefillRates, type PrefillWork, prefillMs } from "./prefill-cost.ts";
import type { PausingSession } from "./return-times.ts";

/** Prompts that grow out of one another: a conversation, as far as its pauses and its place in caches matter. */
export type Chain = PausingSession & {
  /** Counted up from 1. */
  readonly id: number;
  /** Where its last turn ran: copies elsewhere are stale. */
  home: PodOutlook | undefined;
  lastPromptTokens: number;
  inFlight: number;
  /** What pods are believed to keep of it; mostly one of them does. */
  readonly residents: ResidentChain[];
};

/** What a pod is believed to keep of an idle chain. */
export type ResidentChain = {
  readonly chain: Chain;
  readonly pod: PodOutlook;
  /** Tokens kept that no other chain accounts for. */
  tokens: number;
  /** Length of the prompt they end. */
  readonly promptTokens: number;
  /** The pod's residents in the order in which they finished. Only the pod changes these two. */
  older: ResidentChain | undefined;
  newer: ResidentChain | undefined;
};

const FLOW_MEMORY_MS = 300_000;
const NO_WORK: PrefillWork = { newTokens: 0, pairs: 0 };

/**
 * What the router knows of one pod beyond counts: work that waits there, how much flows through, and which idle chains
 * its cache keeps, least recently finished first, as engines evict.
 */
export class PodOutlook {
  /** Work without a first token, by lease, in the order of sending. */
  readonly #awaiting = new Map<string, PrefillWork>();
  #head: PrefillWork | undefined;
  #newTokens = 0;
  #pairs = 0;
  #headSinceMs: number;
  /** Prompt tokens of leases, as far as no other chain accounts for them. */
  #heldTokens = 0;
  #leases = 0;
  /** Work that counts here for a moment without having been sent (see assumed-placements.ts). */
  #assumed: PrefillWork = NO_WORK;
  #oldest: ResidentChain | undefined;
  #newest: ResidentChain | undefined;
  #idleTokens = 0;
  readonly arrivals: DecayedRate;
  readonly work: DecayedRate;
  readonly insertions: DecayedRate;

  constructor(nowMs: number) {
    this.#headSinceMs = nowMs;
    this.arrivals = new DecayedRate(FLOW_MEMORY_MS, nowMs);
    this.work = new DecayedRate(FLOW_MEMORY_MS, nowMs);
    this.insertions = new DecayedRate(FLOW_MEMORY_MS, nowMs);
  }

  /** Work of all leases without a first token. */
  get awaitingWork(): PrefillWork {
    return { newTokens: this.#newTokens, pairs: this.#pairs };
  }

  /** How long an otherwise idle engine takes for it. */
  awaitingMs({ tokenMs, pairMs }: PrefillRates): number {
    return tokenMs * (this.#newTokens + this.#assumed.newTokens) + pairMs * (this.#pairs + this.#assumed.pairs);
  }

  /** How long it takes for the oldest of them, which is taken to be the one under way. */
  headMs(rates: PrefillRates): number {
    return this.#head === undefined ? 0 : prefillMs(rates, this.#head);
  }

  /** Since when it is under way: the last first token, or the sending that found nothing waiting. */
  get headSinceMs(): number {
    return this.#headSinceMs;
  }

  get heldTokens(): number {
    return this.#heldTokens;
  }

  get idleTokens(): number {
    return this.#idleTokens;
  }

  get leases(): number {
    return this.#leases;
  }

  /** The idle chain that finished least recently; those after it are behind `newer`. */
  get oldest(): ResidentChain | undefined {
    return this.#oldest;
  }

  /** What the pod keeps of an idle chain. */
  resident({ residents }: Chain): ResidentChain | undefined {
    for (const resident of residents) if (resident.pod === this) return resident;
    return undefined;
  }

  sent(leaseId: string, work: PrefillWork, heldTokens: number, nowMs: number): void {
    if (this.#head === undefined) {
      this.#head = work;
      this.#headSinceMs = nowMs;
    }
    this.#awaiting.set(leaseId, work);
    this.#newTokens += work.newTokens;
    this.#pairs += work.pairs;
    this.#heldTokens += heldTokens;
    this.#leases++;
  }

  /** Work counts here as if it had been sent, until `retractAssumed`. */
  assume({ newTokens, pairs }: PrefillWork): void {
    this.#assumed = { newTokens: this.#assumed.newTokens + newTokens, pairs: this.#assumed.pairs + pairs };
  }

  retractAssumed(): void {
    this.#assumed = NO_WORK;
  }

  /** The lease waits no more; nothing happens the second time. */
  stopsWaiting(leaseId: string, nowMs: number): void {
    const work = this.#awaiting.get(leaseId);
    if (work === undefined) return;
    this.#awaiting.delete(leaseId);
    if (work === this.#head) this.#head = this.#awaiting.values().next().value;
    // Sums of many differences drift; an empty queue is exactly nothing.
    this.#newTokens = this.#awaiting.size === 0 ? 0 : this.#newTokens - work.newTokens;
    this.#pairs = this.#awaiting.size === 0 ? 0 : this.#pairs - work.pairs;
    this.#headSinceMs = nowMs;
  }

  ended(leaseId: string, heldTokens: number, nowMs: number): void {
    this.stopsWaiting(leaseId, nowMs);
    this.#heldTokens -= heldTokens;
    this.#leases--;
  }

  /** The pod keeps so many tokens of a chain whose turn has just ended, with a prompt of `promptTokens`. */
  keep(chain: Chain, tokens: number, promptTokens: number): void {
    this.drop(chain);
    const resident = { chain, pod: this, tokens, promptTokens, older: this.#newest, newer: undefined };
    if (this.#newest === undefined) this.#oldest = resident;
    else this.#newest.newer = resident;
    this.#newest = resident;
    chain.residents.push(resident);
    this.#idleTokens += tokens;
  }

  /** The pod keeps nothing more of a chain, or a lease holds it. Returns what was kept. */
  drop(chain: Chain): ResidentChain | undefined {
    const resident = this.resident(chain);
    if (resident === undefined) return undefined;
    const { older, newer } = resident;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    const { residents } = chain;
    residents[residents.indexOf(resident)] = residents.at(-1) as ResidentChain;
    residents.pop();
    this.#idleTokens -= resident.tokens;
    return resident;
  }

  /** Gives up what the cache has no room for beside `reservedTokens`, least recently finished first, tails first. */
  trim(capacityTokens: number, reservedTokens: number): void {
    let excess = this.#idleTokens + this.#heldTokens + reservedTokens - capacityTokens;
    for (let resident = this.#oldest; resident !== undefined && excess > 0; resident = resident.newer) {
      const lost = Math.min(excess, resident.tokens);
      excess -= lost;
      if (lost === resident.tokens) {
        this.drop(resident.chain);
      } else {
        resident.tokens -= lost;
        this.#idleTokens -= lost;
      }
    }
  }

  /** The cache is empty. */
  forget(): void {
    for (let resident = this.#oldest; resident !== undefined; resident = resident.newer) this.drop(resident.chain);
    // Sums of many differences drift.
    this.#idleTokens = 0;
  }
}

import { AgedTurns } from "./aged-turns.ts";
import { KeyAccounts } from "./key-accounts.ts";
import { byDeadline, PriorityBand } from "./priority-band.ts";
import type { QueueSettings } from "./queue-settings.ts";
import type { QueuedRequest } from "./queued-request.ts";
import { stretchRankMs } from "./stretch-order.ts";
import type { WaitingRequest } from "./waiting-request.ts";
import { type Expected, workAhead } from "./work-ahead.ts";

/**
 * Who waits, and whose turn it is: by priority, between keys by what they have been served, within a key by bounded
 * stretch. Knows no bounds and refuses nobody.
 */
export class WaitingRoom<Payload> {
  readonly #settings: QueueSettings;
  readonly #waiting = new Map<string, WaitingRequest<Payload>>();
  readonly #accounts: KeyAccounts;
  readonly #aged: AgedTurns;
  /** The highest priority first. None is empty. */
  #bands: PriorityBand<Payload>[] = [];
  #promptTokens = 0;
  #turn = 0;

  constructor(settings: QueueSettings) {
    this.#settings = settings;
    this.#accounts = new KeyAccounts(settings.weightOf, settings.mostIdleKeys);
    this.#aged = new AgedTurns(settings.agedAfterMs, settings.agedShare);
  }

  get size(): number {
    return this.#waiting.size;
  }

  get promptTokens(): number {
    return this.#promptTokens;
  }

  get nextDeadlineAtMs(): number | undefined {
    return this.#soonest()?.request.deadlineAtMs;
  }

  get bands(): readonly PriorityBand<Payload>[] {
    return this.#bands;
  }

  has(id: string): boolean {
    return this.#waiting.has(id);
  }

  /** Weighted tokens a request is charged. */
  workTokensOf({ promptTokens, outputTokens }: { promptTokens: number; outputTokens: number }): number {
    return this.#settings.promptWeight * promptTokens + this.#settings.outputWeight * outputTokens;
  }

  /** Weighted tokens that would leave before this request if it came now (see work-ahead.ts). */
  workAhead(request: QueuedRequest<Payload>, expected: Expected): number {
    const { priority, key } = request;
    const served = this.#accounts.standing(key, this.#lowestServed());
    const newcomer = { priority, key, weight: this.#settings.weightOf(key), served, rankMs: this.#rankMs(request) };
    return workAhead(this.#bands, newcomer, expected);
  }

  /** The share of the pace a key gets at its priority, between those that wait there now. */
  shareOf(priority: number, key: string): number {
    const weight = this.#settings.weightOf(key);
    let allWeights = weight;
    for (const { account } of this.#bands.find((band) => band.priority === priority)?.flows ?? []) {
      if (account.key !== key) allWeights += account.weight;
    }
    return weight / allWeights;
  }

  /** The id must not be waiting. */
  add(request: QueuedRequest<Payload>): void {
    const waiting = {
      request,
      workTokens: this.workTokensOf(request),
      rankMs: this.#rankMs(request),
      turn: this.#turn++,
    };
    const account = this.#accounts.join(request.key, this.#lowestServed());
    this.#bandAt(request.priority).add(waiting, account);
    this.#waiting.set(request.id, waiting);
    this.#promptTokens += request.promptTokens;
  }

  /** The request, if it was waiting. */
  remove(id: string): QueuedRequest<Payload> | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return undefined;
    this.#takeOut(waiting);
    return waiting.request;
  }

  /** Takes out the first whose deadline has come. */
  takeOverdue(nowMs: number): QueuedRequest<Payload> | undefined {
    const first = this.#soonest();
    if (first === undefined || first.request.deadlineAtMs > nowMs) return undefined;
    this.#takeOut(first);
    return first.request;
  }

  /** Takes out and charges the first in turn that can be placed. Overdue requests are passed over. */
  takeNext(
    nowMs: number,
    canPlace: (request: QueuedRequest<Payload>) => boolean,
  ): { readonly request: QueuedRequest<Payload>; readonly workTokens: number } | undefined {
    const aged = this.#aged.turnOf(this.#bands, nowMs);
    for (const band of aged === undefined ? this.#bands : [aged, ...this.#bands.filter((other) => other !== aged)]) {
      const waiting = this.#firstPlaceable(band, nowMs, canPlace);
      if (waiting === undefined) continue;
      const { request, workTokens } = waiting;
      const lowest = this.#lowestServed() ?? 0;
      const account = this.#takeOut(waiting);
      if (account !== undefined) this.#accounts.charge(account, workTokens, lowest);
      this.#reorder(request.key);
      this.#aged.placed(workTokens, band === aged);
      return { request, workTokens };
    }
    return undefined;
  }

  /** A placed request turned out to be of these lengths. */
  settle(request: QueuedRequest<unknown>, actual: { promptTokens: number; outputTokens: number }): void {
    this.#accounts.correct(request.key, this.workTokensOf(actual) - this.workTokensOf(request));
    this.#reorder(request.key);
  }

  /** Requests that would leave before this one if nobody else came; undefined if it does not wait. */
  aheadOf(id: string): number | undefined {
    if (!this.#waiting.has(id)) return undefined;
    let ahead = 0;
    for (const band of this.#bands) {
      for (const { request } of band.inFairOrder()) {
        if (request.id === id) return ahead;
        ahead++;
      }
    }
    return undefined;
  }

  #firstPlaceable(
    band: PriorityBand<Payload>,
    nowMs: number,
    canPlace: (request: QueuedRequest<Payload>) => boolean,
  ): WaitingRequest<Payload> | undefined {
    const { mostTried, lastCallShare } = this.#settings;
    const isCalled = ({ deadlineAtMs, enqueuedAtMs }: QueuedRequest<Payload>) =>
      deadlineAtMs - nowMs <= lastCallShare * (deadlineAtMs - enqueuedAtMs);
    let tried = 0;
    for (const waiting of band.inFairOrder(Math.max(1, Math.floor(mostTried / band.flows.length)), isCalled)) {
      if (waiting.request.deadlineAtMs <= nowMs) continue;
      if (canPlace(waiting.request)) return waiting;
      if (++tried >= mostTried) return undefined;
    }
    return undefined;
  }

  #takeOut(waiting: WaitingRequest<Payload>) {
    const { id, priority, promptTokens } = waiting.request;
    this.#waiting.delete(id);
    this.#promptTokens -= promptTokens;
    const band = this.#bandAt(priority);
    const account = band.remove(waiting);
    if (account !== undefined) this.#accounts.leave(account);
    if (band.size === 0) this.#bands = this.#bands.filter((other) => other !== band);
    return account;
  }

  /** The one whose deadline comes first. */
  #soonest(): WaitingRequest<Payload> | undefined {
    let soonest: WaitingRequest<Payload> | undefined;
    for (const { soonest: first } of this.#bands) {
      if (first !== undefined && (soonest === undefined || byDeadline(first, soonest) < 0)) soonest = first;
    }
    return soonest;
  }

  #bandAt(priority: number): PriorityBand<Payload> {
    const found = this.#bands.find((band) => band.priority === priority);
    if (found !== undefined) return found;
    const band = new PriorityBand<Payload>(priority);
    this.#bands = [...this.#bands, band].sort((a, b) => b.priority - a.priority);
    return band;
  }

  #lowestServed(): number | undefined {
    let lowest: number | undefined;
    for (const { lowestServed } of this.#bands) {
      if (lowestServed !== undefined && lowestServed < (lowest ?? Number.POSITIVE_INFINITY)) lowest = lowestServed;
    }
    return lowest;
  }

  #reorder(key: string): void {
    for (const band of this.#bands) band.reorder(key);
  }

  #rankMs(request: QueuedRequest<Payload>): number {
    return stretchRankMs(request, this.#settings.stretch, this.#settings.workCost());
  }
}

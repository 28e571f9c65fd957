import { DrainRate, type DrainState } from "./drain-rate.ts";
import type { QueueSettings } from "./queue-settings.ts";
import { type QueueCounts, type QueueView, queueView } from "./queue-view.ts";
import type { QueuedRequest, QueueRefusal, QueueVerdict } from "./queued-request.ts";
import { RetryPromises } from "./retry-promises.ts";
import { shortOfRoom, shortOfShare } from "./room.ts";
import { ownPrefillMs } from "./stretch-order.ts";
import { WaitingRoom } from "./waiting-room.ts";

/** What would become of a request that came now. */
export type QueuePreview = {
  /** How long it would wait. */
  readonly waitMs: number;
  /** Requests that wait already. */
  readonly ahead: number;
  /** Why it would not be taken. */
  readonly refused?: QueueRefusal | undefined;
};

/** Why a request cannot come in now, and how long until it could if nobody else came. */
type Obstacle = { readonly reason: QueueRefusal; readonly clearsInMs: number };

/**
 * Requests of one model that wait for a pod. Bounded; whoever would wait in vain is refused at once and told when to
 * come back. Every request taken in leaves exactly once: by `next`, `remove` or `expire`. Knows no clock: `nowMs` is
 * the caller's and never goes back.
 */
export class RequestQueue<Payload> {
  readonly #settings: QueueSettings;
  readonly #room: WaitingRoom<Payload>;
  readonly #promises: RetryPromises;
  readonly #drain: DrainRate;
  readonly #counts = {
    accepted: 0,
    placed: 0,
    removed: 0,
    expired: 0,
    refused: { queue_full: 0, deadline_unmeetable: 0, slo_unmeetable: 0 },
  } satisfies QueueCounts;

  constructor(settings: QueueSettings) {
    this.#settings = settings;
    this.#room = new WaitingRoom(settings);
    this.#promises = new RetryPromises(settings);
    this.#drain = new DrainRate(settings.drainMemoryMs, settings.drainPrior, settings.drainMeasuredFromMs);
  }

  get size(): number {
    return this.#room.size;
  }

  /** When the next request's time is over; undefined while nobody waits. */
  get nextDeadlineAtMs(): number | undefined {
    return this.#room.nextDeadlineAtMs;
  }

  /** The measured pace, as a checkpoint keeps it. Those that wait are not kept: their callers are gone too. */
  get drainState(): DrainState {
    return this.#drain.state;
  }

  /** What the pace is taken to be as far as none is measured, in weighted tokens per millisecond. */
  assumePace(tokensPerMs: number): void {
    this.#drain.assume(tokensPerMs);
  }

  /** Takes a request in or refuses it. Its id must not be waiting. */
  offer(request: QueuedRequest<Payload>, nowMs: number): QueueVerdict {
    if (this.#room.has(request.id)) throw new Error(`request ${request.id} is waiting already`);
    this.#promises.advance(nowMs);
    const tokensPerMs = this.#drain.tokensPerMs(nowMs);
    const waitMs = this.#room.workAhead(request, () => 0) / tokensPerMs;
    const obstacle = this.#obstacle(request, waitMs, tokensPerMs, nowMs);
    if (obstacle !== undefined) {
      this.#counts.refused[obstacle.reason]++;
      const retryAfterMs = Math.ceil(this.#comeBackAt(request, obstacle, tokensPerMs, nowMs) - nowMs);
      return { ok: false, reason: obstacle.reason, waitMs, retryAfterMs };
    }
    this.#promises.keep(request.fingerprint);
    if (this.#room.size === 0) this.#drain.begin(nowMs);
    this.#room.add(request);
    this.#counts.accepted++;
    return { ok: true, waitMs };
  }

  /** What `offer` would say of it. Changes nothing: no room is held for it, and no time to come back is told. */
  preview(request: QueuedRequest<Payload>, nowMs: number): QueuePreview {
    const tokensPerMs = this.#drain.tokensPerMs(nowMs);
    const waitMs = this.#room.workAhead(request, () => 0) / tokensPerMs;
    const refused = this.#obstacle(request, waitMs, tokensPerMs, nowMs)?.reason;
    return { waitMs, ahead: this.#room.size, ...(refused && { refused }) };
  }

  /**
   * Takes out the request whose turn it is among those that can be placed now. `canPlace` tells whether some pod may
   * take it; it is asked in order, for a bounded number of requests, and must not call back.
   */
  next(nowMs: number, canPlace: (request: QueuedRequest<Payload>) => boolean): QueuedRequest<Payload> | undefined {
    const taken = this.#room.takeNext(nowMs, canPlace);
    if (taken === undefined) return undefined;
    this.#drain.placed(taken.workTokens, this.#room.size > 0, nowMs);
    this.#counts.placed++;
    return taken.request;
  }

  /** The client has left: takes its request out. Undefined if it does not wait. */
  remove(id: string): QueuedRequest<Payload> | undefined {
    const request = this.#room.remove(id);
    if (request === undefined) return undefined;
    this.#counts.removed++;
    if (this.#room.size === 0) this.#drain.end();
    return request;
  }

  /** Takes out all whose deadline has come, the earliest first. */
  expire(nowMs: number): QueuedRequest<Payload>[] {
    const overdue: QueuedRequest<Payload>[] = [];
    for (let request = this.#room.takeOverdue(nowMs); request; request = this.#room.takeOverdue(nowMs)) {
      overdue.push(request);
    }
    this.#counts.expired += overdue.length;
    if (this.#room.size === 0) this.#drain.end();
    return overdue;
  }

  /**
   * In how many ms a request that has left unplaced should come back. Room is held for it then, as for one that was
   * refused.
   */
  comeBackInMs(request: QueuedRequest<Payload>, nowMs: number): number {
    this.#promises.advance(nowMs);
    const tokensPerMs = this.#drain.tokensPerMs(nowMs);
    const waitMs = this.#room.workAhead(request, () => 0) / tokensPerMs;
    const obstacle: Obstacle = { reason: "deadline_unmeetable", clearsInMs: this.#untilShorter(request, waitMs) };
    return Math.ceil(this.#comeBackAt(request, obstacle, tokensPerMs, nowMs) - nowMs);
  }

  /** What a placed request really took: fairness charged it by its expected length. */
  settle(request: QueuedRequest<unknown>, actual: { promptTokens: number; outputTokens: number }): void {
    this.#room.settle(request, actual);
  }

  /** Requests that would be placed before this one if nobody else came; undefined if it does not wait. */
  aheadOf(id: string): number | undefined {
    return this.#room.aheadOf(id);
  }

  /** Figures for metrics and the admin API. */
  inspect(nowMs: number): QueueView {
    return queueView(this.#room, this.#counts, {
      tokensPerMs: this.#drain.tokensPerMs(nowMs),
      promises: this.#promises.size,
      nowMs,
    });
  }

  #obstacle(request: QueuedRequest<Payload>, waitMs: number, tokensPerMs: number, nowMs: number): Obstacle | undefined {
    const short = this.#departuresNeeded(request);
    if (short > 0) return { reason: "queue_full", clearsInMs: (short * this.#meanWork()) / tokensPerMs };
    const { waitMargin, workCost } = this.#settings;
    // The margin decided when a retry was told its time; asked for again it would only refuse a kept promise.
    const margin = this.#promises.isDue(request.fingerprint) ? 1 : waitMargin;
    const withHeldMs = this.#waitWithHeld(request, tokensPerMs);
    const spentMs = nowMs - request.enqueuedAtMs;
    // Clients that do not come back must not keep others out: the held part of a wait counts up to half of what is
    // left.
    const fits = (leftMs: number) => margin * Math.min(withHeldMs, waitMs + Math.max(0, leftMs) / 2) <= leftMs;
    const patienceMs = request.deadlineAtMs - request.enqueuedAtMs;
    if (spentMs >= patienceMs || !fits(patienceMs - spentMs)) {
      return { reason: "deadline_unmeetable", clearsInMs: this.#untilShorter(request, waitMs) };
    }
    if (request.sloTtftMs === undefined) return undefined;
    const sparedMs = Math.max(0, request.sloTtftMs - ownPrefillMs(request, workCost()));
    if (fits(sparedMs - spentMs)) return undefined;
    return { reason: "slo_unmeetable", clearsInMs: waitMs - sparedMs / waitMargin };
  }

  /** Until a wait of `waitMs` is short enough for the request's patience, in ms. Below 0: it is. */
  #untilShorter({ deadlineAtMs, enqueuedAtMs }: QueuedRequest<Payload>, waitMs: number): number {
    return waitMs - (deadlineAtMs - enqueuedAtMs) / this.#settings.waitMargin;
  }

  /**
   * Requests that have to leave before there is room. Held room counts against the shares of all but those it is held
   * for.
   */
  #departuresNeeded(request: QueuedRequest<Payload>): number {
    const { mostWaiting, mostPromptTokens, shareOfFree } = this.#settings;
    const { size, promptTokens } = this.#room;
    const short = Math.max(
      shortOfRoom(1, size, mostWaiting),
      this.#inRequests(shortOfRoom(request.promptTokens, promptTokens, mostPromptTokens)),
    );
    if (this.#promises.isDue(request.fingerprint)) return short;
    const flow = this.#room.bands.find(({ priority }) => priority === request.priority)?.flow(request.key);
    // Clients that do not come back must not keep the queue empty: at most half of it is held.
    const held = Math.min(this.#promises.held, mostWaiting / 2);
    const heldOwn = Math.min(this.#promises.heldFor(request.priority, request.key).requests, held);
    const taken = { all: size + held, own: (flow?.size ?? 0) + heldOwn };
    const takenTokens = { all: promptTokens, own: flow?.promptTokens ?? 0 };
    return Math.max(
      short,
      shortOfShare(taken, mostWaiting, shareOfFree),
      this.#inRequests(shortOfShare(takenTokens, mostPromptTokens, shareOfFree)),
    );
  }

  /** The wait if all those come whose room is held. */
  #waitWithHeld(request: QueuedRequest<Payload>, tokensPerMs: number): number {
    const due = this.#promises.isDue(request.fingerprint);
    const held = (priority: number, key: string) => (due ? 0 : this.#promises.heldFor(priority, key).workTokens);
    return this.#room.workAhead(request, held) / tokensPerMs;
  }

  /**
   * When a refused request should come back. Room is held for it then, unless that is too far away. A TTFT objective is
   * not met by room: how long the queue will be is up to those that ask for less.
   */
  #comeBackAt(request: QueuedRequest<Payload>, obstacle: Obstacle, tokensPerMs: number, nowMs: number): number {
    const known = this.#promises.dueAtMs(request.fingerprint);
    if (known !== undefined && known > nowMs) return known;
    const { mostRetryAfterMs, promisedShare } = this.#settings;
    const latestMs = nowMs + mostRetryAfterMs;
    const clearAtMs = Math.min(latestMs, nowMs + Math.max(0, obstacle.clearsInMs));
    if (obstacle.reason === "slo_unmeetable") return clearAtMs;
    const { priority, key, fingerprint } = request;
    const pace = tokensPerMs * promisedShare;
    // One after the other also within the key, whose share of the pace may be a small one.
    const beforeMs = this.#promises.promisedTo(priority, key).workTokens / (pace * this.#room.shareOf(priority, key));
    const dueAtMs = this.#promises.freeFrom(Math.min(latestMs, clearAtMs + beforeMs));
    if (dueAtMs >= latestMs) return latestMs;
    const workTokens = this.#room.workTokensOf(request);
    this.#promises.promise(
      { fingerprint, priority, key, workTokens },
      dueAtMs,
      Math.min(mostRetryAfterMs, workTokens / pace),
    );
    return dueAtMs;
  }

  #meanWork(): number {
    const { bands, size } = this.#room;
    return bands.reduce((sum, { workTokens }) => sum + workTokens, 0) / Math.max(1, size);
  }

  #inRequests(promptTokens: number): number {
    return promptTokens === 0 ? 0 : (promptTokens * this.#room.size) / Math.max(1, this.#room.promptTokens);
  }
}

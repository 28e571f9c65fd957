import type { Arrival } from "./arrival.ts";
import { FirstTokenTimes } from "./first-token-times.ts";
import { paceOf, type Residence, residenceOn } from "./fleet-pace.ts";
import { movingMean } from "./moving-mean.ts";
import type { HeldRequest, LeaseOutcome, RouteRefusal, RouteRequest } from "./placement.ts";
import type { Pod } from "./pod.ts";
import { PodlessRequests } from "./podless-requests.ts";
import { remember } from "./policy-memory.ts";
import type { DrainState } from "./queue/drain-rate.ts";
import { type QueueSettings, queueSettings } from "./queue/queue-settings.ts";
import type { QueueView } from "./queue/queue-view.ts";
import type { QueuedRequest } from "./queue/queued-request.ts";
import { type QueuePreview, RequestQueue } from "./queue/request-queue.ts";
import { ownPrefillMs, type WorkCost } from "./queue/stretch-order.ts";
import type { QueueRules } from "./routing-rules.ts";

/** What a prompt comes to: its tokens, and those to prefill on the pod that holds most of it. */
export type PromptWork = { readonly promptTokens: number; readonly uncachedTokens: number };

/** Why a held request leaves without a pod. */
export type Unplaced = { readonly id: string; readonly refusal: RouteRefusal };

/** The waiting requests as metrics and the admin API show them. */
export type HeldView = QueueView & {
  /** Requests that wait for a first pod to come up. */
  readonly withoutPods: number;
};

/** Where a request tells no deadline. */
const DEADLINE_MS = 120_000;
/** Before any answer's length was told. */
const OUTPUT_TOKENS = 256;
const MOST_WEIGHTS = 4_096;
const LEAST_RETRY_MS = 1_000;

/**
 * The requests of one model that have no pod yet: those that wait for room, in the queue, and those that wait for a first
 * pod to come up, beside it, so that they neither stand in the others' way nor make the queue look slow.
 */
export class HeldRequests {
  readonly #workCost: () => WorkCost;
  readonly #weights = new Map<string, number>();
  readonly #podless = new PodlessRequests();
  /** By lease: requests that were placed out of the queue and have not ended. */
  readonly #charged = new Map<string, QueuedRequest<Arrival>>();
  readonly #firstTokens = new FirstTokenTimes();
  readonly #settings: QueueSettings;
  #queue: RequestQueue<Arrival>;
  #rules: QueueRules;
  /** Mean length of the answers; undefined before the first one. */
  #outputTokens: number | undefined;

  /** `settledFromMs`: from then on the router knows all that is on the pods, and a wait is a wait for room. */
  constructor(rules: QueueRules, workCost: () => WorkCost, settledFromMs: number) {
    this.#rules = rules;
    this.#workCost = workCost;
    const weightOf = (key: string) => this.#weights.get(key) ?? 1;
    this.#settings = queueSettings({
      workCost,
      weightOf,
      mostWaiting: rules.mostWaiting,
      drainMeasuredFromMs: settledFromMs,
    });
    this.#queue = new RequestQueue(this.#settings);
  }

  /** New rules hold from now on; those that wait go on waiting. */
  configure(rules: QueueRules): void {
    this.#rules = rules;
    // The queue reads its bounds at each offer.
    Object.assign(this.#settings, { mostWaiting: rules.mostWaiting });
  }

  /** Requests without a pod. */
  get size(): number {
    return this.#queue.size + this.#podless.size;
  }

  /** Whether requests may be held at all. */
  get isEnabled(): boolean {
    return this.#rules.enabled;
  }

  /** Those of them that wait for room. */
  get queued(): number {
    return this.#queue.size;
  }

  /** When the next one's time is over; undefined while nobody waits. */
  get nextDeadlineAtMs(): number | undefined {
    const queued = this.#queue.nextDeadlineAtMs ?? Number.POSITIVE_INFINITY;
    const soonest = Math.min(queued, this.#podless.nextDeadlineAtMs ?? Number.POSITIVE_INFINITY);
    return Number.isFinite(soonest) ? soonest : undefined;
  }

  /** The measured pace, as a checkpoint keeps it. */
  get drainState(): DrainState {
    return this.#queue.drainState;
  }

  /** Takes up a saved pace. Only before anybody waits. */
  restore(drain: DrainState): void {
    this.#queue = new RequestQueue(Object.assign(this.#settings, { drainPrior: drain }));
  }

  /** How long the answer is expected to be, in tokens. */
  outputTokensOf({ choices, mostOutputTokens }: RouteRequest): number {
    return choices * Math.min(mostOutputTokens ?? Number.POSITIVE_INFINITY, this.#outputTokens ?? OUTPUT_TOKENS);
  }

  /** How long a prompt takes a pod by itself. */
  prefillMsOf(work: PromptWork): number {
    return ownPrefillMs({ ...work, outputTokens: 0 }, this.#workCost());
  }

  /** Takes a request that `pods` have no room for into the queue, or refuses it with a time to come back. */
  offer(arrival: Arrival, work: PromptWork, pods: readonly Pod[], nowMs: number): HeldRequest | RouteRefusal {
    const { id, request } = arrival;
    const { key = "", weight = 1 } = request;
    const residence = residenceOn(pods);
    if (residence !== undefined) this.#assumePace(pods, residence);
    remember(this.#weights, key, weight, MOST_WEIGHTS);
    const verdict = this.#queue.offer(this.#queuedAs(arrival, work, residence), nowMs);
    if (verdict.ok) return { ok: false, reason: "held", heldId: id, waitMs: verdict.waitMs, podsKnown: pods.length };
    return { ok: false, reason: verdict.reason, retryAfterMs: verdict.retryAfterMs };
  }

  /** What `offer` would say, at the pace measured so far. Changes nothing. */
  preview(arrival: Arrival, work: PromptWork, pods: readonly Pod[], nowMs: number): QueuePreview {
    return this.#queue.preview(this.#queuedAs(arrival, work, residenceOn(pods)), nowMs);
  }

  /** Whether a request without pods could wait for some, by rules that may not be in force yet. */
  mayHoldWithoutPods({ holdWithoutPodsMs, mostWaiting }: QueueRules): boolean {
    return holdWithoutPodsMs > 0 && this.#podless.size < mostWaiting;
  }

  /** Keeps a request that none of `podsKnown` pods serves. Undefined where the rules forbid it, or too many wait already. */
  holdWithoutPods(arrival: Arrival, podsKnown: number): HeldRequest | undefined {
    if (!this.mayHoldWithoutPods(this.#rules)) return undefined;
    const waitMs = Math.min(this.#rules.holdWithoutPodsMs, deadlineOf(arrival.request));
    this.#podless.add(arrival, arrival.arrivedAtMs + waitMs);
    return { ok: false, reason: "held", heldId: arrival.id, waitMs, podsKnown };
  }

  /** Takes out those that there are pods for now, the first that came first. */
  takeServed(isServed: (request: RouteRequest) => boolean): Arrival[] {
    return this.#podless.size === 0 ? [] : this.#podless.take(({ request }) => isServed(request));
  }

  /** Takes out of the queue the request whose turn it is among those that can be placed. */
  next(nowMs: number, canPlace: (arrival: Arrival) => boolean): Arrival | undefined {
    const taken = this.#queue.next(nowMs, ({ payload }) => canPlace(payload));
    if (taken === undefined) return undefined;
    this.#charged.set(taken.id, taken);
    return taken.payload;
  }

  /** The client of a request has left. False: it did not wait. */
  abandon(id: string): boolean {
    return this.#podless.remove(id) || this.#queue.remove(id) !== undefined;
  }

  /** Takes out those whose time is over. `podsKnown`: of the model, ready or not. */
  expire(nowMs: number, podsKnown: number): Unplaced[] {
    const overdue = this.#queue.expire(nowMs);
    const podless = this.#podless.expire(nowMs);
    return [
      ...overdue.map((request): Unplaced => {
        const retryAfterMs = Math.max(LEAST_RETRY_MS, this.#queue.comeBackInMs(request, nowMs));
        return { id: request.id, refusal: { ok: false, reason: "waited_too_long", retryAfterMs } };
      }),
      ...podless.map(({ id }): Unplaced => ({ id, refusal: { ok: false, reason: "no_endpoints", podsKnown } })),
    ];
  }

  /** Whether the lease's request waited in the queue before. */
  hasWaited(leaseId: string): boolean {
    return this.#charged.has(leaseId);
  }

  /** A first token came, so long after its request was sent to its pod. */
  firstToken(waitMs: number): void {
    this.#firstTokens.observe(waitMs);
  }

  /** A lease was closed: what the request really took is what its key pays. */
  finished(leaseId: string, { promptTokens, completionTokens }: Partial<LeaseOutcome>): void {
    if (completionTokens !== undefined) this.#outputTokens = movingMean(this.#outputTokens, completionTokens);
    const charged = this.#charged.get(leaseId);
    if (charged === undefined) return;
    this.#charged.delete(leaseId);
    if (promptTokens === undefined || completionTokens === undefined) return;
    this.#queue.settle(charged, { promptTokens, outputTokens: completionTokens });
  }

  view(nowMs: number): HeldView {
    return { ...this.#queue.inspect(nowMs), withoutPods: this.#podless.size };
  }

  #queuedAs(arrival: Arrival, work: PromptWork, residence?: Residence): QueuedRequest<Arrival> {
    const { id, request, arrivedAtMs } = arrival;
    const { key = "", priority = 0, sloTtftMs } = request;
    const deadlineMs = deadlineOf(request);
    const lengths = { ...work, outputTokens: this.outputTokensOf(request) };
    const onPodMs = Math.min(deadlineMs / 2, this.#firstByteMs(request, lengths, residence));
    return {
      id,
      key,
      priority,
      enqueuedAtMs: arrivedAtMs,
      deadlineAtMs: arrivedAtMs + deadlineMs - onPodMs,
      ...lengths,
      sloTtftMs,
      fingerprint: fingerprintOf(request, key),
      payload: arrival,
    };
  }

  #assumePace(pods: readonly Pod[], residence: Residence): void {
    const { promptWeight, outputWeight } = this.#settings;
    const outputTokens = this.#outputTokens ?? OUTPUT_TOKENS;
    const tokensOf = (promptTokens: number, requests: number) =>
      promptWeight * promptTokens + outputWeight * outputTokens * requests;
    this.#queue.assumePace(paceOf(pods, residence, tokensOf));
  }

  /** Who leaves the queue still may have to wait for this long for the first byte, or has its deadline missed on the pod. */
  #firstByteMs(request: RouteRequest, lengths: PromptWork & { outputTokens: number }, residence?: Residence): number {
    const expectedMs = Math.max(residence?.firstTokenMs ?? 0, ownPrefillMs(lengths, this.#workCost()));
    const firstTokenMs = expectedMs + this.#firstTokens.marginMs;
    return request.streamed === false ? firstTokenMs + (residence?.decodeMs ?? 0) : firstTokenMs;
  }
}

/** Within what time a request wants its first token, or all of an answer that is not streamed. */
export function deadlineOf({ deadlineMs = DEADLINE_MS }: RouteRequest): number {
  return deadlineMs;
}

/** The same for a client's retry of a request, different for another prompt or key. */
function fingerprintOf({ segments, promptBytes, opening }: RouteRequest, key: string): string {
  return `${key} ${promptBytes} ${segments.at(-2) ?? 0} ${segments.at(-1) ?? 0} ${opening ?? ""}`;
}

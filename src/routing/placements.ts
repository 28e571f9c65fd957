import { learnFromAnswer } from "./answer-lessons.ts";
import type { Decided } from "./decide.ts";
import { podOutcomeOf } from "./health/fleet-health.ts";
import type { PodOutcome } from "./health/pod-outcome.ts";
import type { Lease } from "./lease-ledger.ts";
import { movingMean } from "./moving-mean.ts";
import type { Chain } from "./outlook/pod-outlook.ts";
import type { LeaseOutcome, Placement, RouteRefusal, RouteRequest } from "./placement.ts";
import type { PodChoice } from "./placer.ts";
import type { Pod } from "./pod.ts";
import type { PodChooser } from "./pod-chooser.ts";
import type { Policy } from "./policy.ts";
import type { AdoptedLease } from "./router-snapshot.ts";
import type { RouterState } from "./router-state.ts";
import type { SpeculativeClaim } from "./speculative-claims.ts";

/** A request to be placed under this lease. */
export type Placing = {
  readonly leaseId: string;
  readonly request: RouteRequest;
  readonly policy: Policy;
  /** Pods that failed it. */
  readonly tried: Set<string>;
};

/** A request between its placement and its first token: all that a move, or taking its claim back, needs. */
type Pending = Placing & { readonly claim: SpeculativeClaim | undefined };

/** Where requests are, from the choice of a pod to the end of the lease, and what is counted and learned on the way. */
export class Placements {
  readonly #state: RouterState;
  readonly #chooser: PodChooser;
  readonly #pending = new Map<string, Pending>();
  #opened = 0;
  #fallen = 0;

  constructor(state: RouterState, chooser: PodChooser) {
    this.#state = state;
    this.#chooser = chooser;
  }

  /** Leases opened since the start, each once however often its request moved; adopted ones are not among them. */
  get opened(): number {
    return this.#opened;
  }

  /** Leases that fell since the start. */
  get fallen(): number {
    return this.#fallen;
  }

  /** Lets the policy choose among the pods, which are not none. */
  choose(placing: Placing, pods: readonly Pod[], nowMs: number): PodChoice {
    const { decisions } = this.#state;
    const { leaseId, request } = placing;
    const { decided, terms, chain, draws } = this.#chooser.decide(placing, pods, nowMs);
    const { pod, promptTokens, matchedTokens } = decided;
    const open = (): Placement => {
      if (draws !== undefined) decisions.keep({ leaseId, request, terms, ...decided, draws });
      const record = request.explain === true ? decided.record() : undefined;
      this.#open(placing, decided, chain, nowMs);
      return { ok: true, leaseId, pod, matchedTokens, promptTokens, record };
    };
    return { ok: true, pod, promptTokens, uncachedTokens: Math.max(0, promptTokens - matchedTokens), open };
  }

  /** Carries out a decision that has just been made. */
  #open({ leaseId, request, policy, tried }: Placing, decided: Decided, chain: Chain | undefined, nowMs: number): void {
    const { pod, promptTokens, matchedTokens, prediction, placement } = decided;
    const { claims, learner, outlook, policies, registry, ledger, health } = this.#state;
    const { segments, promptBytes, origin = "" } = request;
    const capacity = this.#capacitySegments(pod, request.segmentBytes / learner.rates.bytesPerToken);
    policies.placed(leaseId, policy, placement);
    const claim = claims.claim(pod, segments, capacity, registry.pods.length, nowMs);
    const uncachedTokens = Math.max(0, promptTokens - matchedTokens);
    const opening = { id: leaseId, pod, openedAtMs: nowMs, promptBytes, promptTokens, uncachedTokens, prediction };
    health.sent(ledger.open({ ...opening, firstTokenSeen: false }, nowMs), nowMs);
    if (tried.size === (request.excludedPods?.length ?? 0)) this.#opened++;
    this.#pending.set(leaseId, { leaseId, request, policy, tried, claim });
    const { capacityTokens, cluster } = pod.facts;
    const tokens = { promptTokens, matchedTokens, capacityTokens };
    outlook.sent({ leaseId, pod: pod.outlook, segments, ...tokens, origin, cluster, continued: chain }, nowMs);
    pod.requests++;
  }

  /**
   * The request's pod failed before the first token: closes the hold and places it elsewhere under the same lease.
   * Undefined: the lease is not open, or its first token came.
   */
  move(leaseId: string, podOutcome: PodOutcome, nowMs: number): Placement | RouteRefusal | undefined {
    const { ledger, policies, held, decisions } = this.#state;
    const lease = ledger.get(leaseId);
    const pending = this.#pending.get(leaseId);
    if (lease === undefined || pending === undefined) return undefined;
    pending.tried.add(lease.pod.id);
    this.#close(lease, false, podOutcome, nowMs);
    decisions.ended(leaseId, { kind: "moved" }, nowMs);
    policies.finished(leaseId, { promptTokens: 0, completionTokens: 0 }, nowMs);
    const moved = this.#placeAgain(pending, nowMs);
    if (!moved.ok) held.finished(leaseId, {});
    return moved;
  }

  /** The first body byte came, `waitMs` after it was sent. False: it had come before, or the lease is not open. */
  firstToken(leaseId: string, waitMs: number, nowMs: number): boolean {
    const { ledger, health, outlook, learner, decisions, held } = this.#state;
    const lease = ledger.get(leaseId);
    if (lease === undefined || lease.firstTokenAtMs !== undefined) return false;
    ledger.firstToken(lease, nowMs);
    health.firstToken(lease, nowMs);
    this.#prefilled(leaseId, nowMs);
    decisions.firstToken(leaseId, waitMs);
    outlook.firstToken(leaseId, waitMs, nowMs);
    learner.observeFirstToken(lease.workAtSendTokens, waitMs);
    lease.pod.firstTokenMs = movingMean(lease.pod.firstTokenMs, waitMs);
    held.firstToken(waitMs);
    return true;
  }

  /** The holder is alive. False: the lease is not open. */
  renew(leaseId: string, nowMs: number): boolean {
    const lease = this.#state.ledger.get(leaseId);
    if (lease === undefined) return false;
    this.#state.ledger.renew(lease, nowMs);
    return true;
  }

  /** Takes over a lease opened by an earlier instance. A lease that is held stays as it is. False: its pod is gone. */
  adopt(adopted: AdoptedLease, nowMs: number): boolean {
    if (this.renew(adopted.leaseId, nowMs)) return true;
    const pod = this.#state.registry.get(adopted.podId);
    if (pod === undefined || pod.facts.epoch !== adopted.epoch) return false;
    const { leaseId: id, promptTokens, uncachedTokens, firstTokenSeen } = adopted;
    const openedAtMs = nowMs - adopted.ageMs;
    // The text's length stayed with the instance that is gone: nothing is learned from this one.
    const opening = { id, pod, openedAtMs, promptBytes: 0, promptTokens, uncachedTokens, firstTokenSeen };
    this.#state.ledger.open(opening, nowMs);
    const lengths = { promptTokens, uncachedTokens, firstTokenSeen };
    this.#state.outlook.adopted.open({ leaseId: id, pod: pod.outlook, ...lengths }, nowMs);
    return true;
  }

  /** Closes a lease, however its request ended. False: it is not open. */
  finish(leaseId: string, outcome: LeaseOutcome, nowMs: number): boolean {
    const { ledger, policies, held, decisions } = this.#state;
    const lease = ledger.get(leaseId);
    if (lease === undefined) return false;
    decisions.ended(leaseId, outcome, nowMs);
    const podOutcome = podOutcomeOf(outcome, lease.firstTokenAtMs !== undefined, held.hasWaited(leaseId));
    this.#close(lease, outcome.kind === "completed", podOutcome, nowMs, outcome.completionTokens);
    policies.finished(leaseId, outcome, nowMs);
    held.finished(leaseId, outcome);
    learnFromAnswer(this.#state, lease, outcome, nowMs);
    return true;
  }

  /** Lets the leases fall whose holders are silent. Returns how many. */
  expire(nowMs: number): number {
    const { ledger, policies, held, limits, decisions } = this.#state;
    const fallen = ledger.expired(nowMs - limits.leaseTtlMs);
    for (const lease of fallen) {
      this.#close(lease, false, "client_left", nowMs);
      policies.finished(lease.id, {}, nowMs);
      decisions.ended(lease.id, { kind: "fallen" }, nowMs);
      held.finished(lease.id, {});
    }
    this.#fallen += fallen.length;
    return fallen.length;
  }

  #placeAgain(pending: Pending, nowMs: number): Placement | RouteRefusal {
    const { registry, health } = this.#state;
    const { leaseId, request, policy, tried } = pending;
    const pods = this.#chooser.podsFor(request.model, tried, nowMs);
    if (pods.length === 0) return { ok: false, reason: "no_endpoints", podsKnown: registry.pods.length };
    if (!health.tryRetry(nowMs)) return { ok: false, reason: "retry_budget" };
    return this.choose({ leaseId, request, policy, tried }, pods, nowMs).open();
  }

  #capacitySegments(pod: Pod, segmentTokens: number): number {
    const { capacityTokens } = pod.facts;
    const { defaultCapacitySegments, cacheShare } = this.#state.limits;
    if (capacityTokens === undefined) return defaultCapacitySegments;
    return Math.floor((capacityTokens * cacheShare) / segmentTokens);
  }

  /** `prefilled` tells whether the pod did the work, and so holds what was claimed. */
  #close(lease: Lease, prefilled: boolean, podOutcome: PodOutcome, nowMs: number, answerTokens?: number): void {
    const { ledger, outlook, health, claims } = this.#state;
    if (!ledger.close(lease, nowMs)) return;
    outlook.ended(lease.id, prefilled, answerTokens, nowMs);
    health.ended(lease, podOutcome, nowMs);
    const claim = this.#pending.get(lease.id)?.claim;
    if (prefilled) this.#prefilled(lease.id, nowMs);
    else if (claim !== undefined) claims.takeBack(claim);
    this.#pending.delete(lease.id);
  }

  /** The pod has prefilled the request: its claim stands, and nothing can be moved or taken back any more. */
  #prefilled(leaseId: string, nowMs: number): void {
    const claim = this.#pending.get(leaseId)?.claim;
    if (claim !== undefined) this.#state.claims.settle(claim, nowMs);
    this.#pending.delete(leaseId);
  }
}

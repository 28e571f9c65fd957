import type { Arrival } from "./arrival.ts";
import { ClaimKeeper } from "./claim-keeper.ts";
import type { ConfirmedSegments } from "./confirmed-claims.ts";
import type { DecisionLog } from "./decision-log.ts";
import { Dispatch } from "./dispatch.ts";
import { type Explanation, explain } from "./explain.ts";
import type { FeedVerdict } from "./feeds.ts";
import type { PodOutcome } from "./health/pod-outcome.ts";
import { OpenPods } from "./open-pods.ts";
import { isOverdue } from "./overdue-lease.ts";
import type { HeldRequest, LeaseOutcome, MoveQuestion, Placement, RouteRefusal, RouteRequest } from "./placement.ts";
import { Placements } from "./placements.ts";
import type { Placer } from "./placer.ts";
import { PodChooser } from "./pod-chooser.ts";
import type { ReportedPush } from "./pod-registry.ts";
import { takeReport, type UnsurePod, unsurePods } from "./pod-reports.ts";
import { policyNames } from "./policies/registry.ts";
import { type KeptMemory, madePolicy } from "./policies-in-use.ts";
import type { PolicyMemoryView } from "./policy-memory.ts";
import type { Random } from "./random.ts";
import { DEFAULT_LIMITS, type RouterLimits } from "./router-limits.ts";
import { placerOf, roomTerms } from "./router-placer.ts";
import { type AdoptedLease, type RouterSnapshot, restoreSnapshot, snapshotOf } from "./router-snapshot.ts";
import { newRouterState, type RouterState } from "./router-state.ts";
import { type RouterView, routerView } from "./router-view.ts";
import { type RoutingRules, RULES_OF_OLD_CALLERS } from "./routing-rules.ts";

/**
 * One model's routing: pods, leases, claims and learned rates behind a few synchronous methods. Decides and counts in
 * one step, so simultaneous requests cannot pick the same pod on the same count. Knows no storage, network, clock or
 * randomness of its own.
 */
export class Router {
  /** Carries the claims over a restart. Restores them after `restore`. */
  readonly keeper: ClaimKeeper;
  readonly #instance: string;
  readonly #state: RouterState;
  readonly #chooser: PodChooser;
  readonly #placements: Placements;
  readonly #dispatch: Dispatch;
  #rules = RULES_OF_OLD_CALLERS;
  #arrivals = 0;
  #sweptAtMs: number;

  /**
   * `instance` makes lease ids unique over restarts. `released` is told of each held request that gets a pod or waits no
   * more, unless its client left; it must not call back.
   */
  constructor(options: {
    instance: string;
    random: Random;
    nowMs: number;
    limits?: RouterLimits;
    released?: Placer["released"];
  }) {
    this.#instance = options.instance;
    this.#sweptAtMs = options.nowMs;
    this.#state = newRouterState(options.limits ?? DEFAULT_LIMITS, options.nowMs, options.instance);
    const { registry, claims, held } = this.#state;
    this.#chooser = new PodChooser(this.#state, options.random);
    this.#placements = new Placements(this.#state, this.#chooser);
    this.keeper = new ClaimKeeper(registry, claims);
    const released = options.released ?? (() => undefined);
    this.#dispatch = new Dispatch(held, placerOf(this.#state, this.#chooser, this.#placements, released));
  }

  /** The model's rules from now on. Without any, nothing is held. */
  configure(rules: RoutingRules, nowMs: number): void {
    if (rules === this.#rules) return;
    this.#rules = rules;
    this.#state.health.configure(rules.health, nowMs);
    this.#state.held.configure(rules.queue);
    this.#state.decisions.configure(rules.decisions);
  }

  /** The decisions that were recorded. */
  get decisions(): DecisionLog {
    return this.#state.decisions;
  }

  /** Open leases. */
  get leases(): number {
    return this.#state.ledger.size;
  }

  /** When the next held request's time is over, on the router's clock; undefined while nobody waits. */
  get nextDeadlineAtMs(): number | undefined {
    return this.#state.held.nextDeadlineAtMs;
  }

  /** How long a collector with news waits between two pushes, in ms. */
  get pushSpacingMs(): number {
    return this.#state.feeds.spacingMs;
  }

  /** Places a request and opens its lease, or holds it until a pod has room. */
  route(request: RouteRequest, nowMs: number): Placement | HeldRequest | RouteRefusal {
    this.sweep(nowMs);
    this.#state.health.asked(nowMs);
    const found = this.#state.policies.find(request);
    if (!found.ok) return found;
    const id = `${this.#instance}-${++this.#arrivals}`;
    const arrival: Arrival = { id, request, policy: found.policy, arrivedAtMs: nowMs };
    return this.#dispatch.admit(arrival, this.#rules.queue, nowMs);
  }

  /** What `route` would do with a request now, and why. Changes nothing; ties are drawn by a source of its own. */
  explain(request: RouteRequest, { queue }: RoutingRules, nowMs: number): Explanation | RouteRefusal {
    const made = madePolicy(request.policy, request.policyParameters);
    if (!made.ok) return { ok: false, reason: "unknown_policy", known: policyNames(), problem: made.problem };
    const asked = { request, policy: made.policy, rules: queue, nowMs };
    return explain(asked, this.#state, this.#chooser, this.#dispatch);
  }

  /** The client of a held request has left. Nothing happens if the request has left already. */
  abandon(heldId: string): void {
    this.#state.held.abandon(heldId);
  }

  /** Whether `move` would find a pod for a request on one of `excludedPods` now, and the budget for it. */
  mayMove({ model, excludedPods }: MoveQuestion, nowMs: number): boolean {
    if (this.#state.health.retryView(nowMs).remaining === 0) return false;
    return this.#chooser.podsFor(model, new Set(excludedPods), nowMs).length > 0;
  }

  /**
   * Whether a request seems lost on its pod, by what was predicted (see overdue-lease.ts), while another pod is under all
   * of its limits and `move` would be allowed.
   */
  isOverdue(leaseId: string, question: MoveQuestion, nowMs: number): boolean {
    const { ledger, learner } = this.#state;
    const lease = ledger.get(leaseId);
    const { prefillTokensPerMs } = learner.rates;
    if (lease === undefined || !isOverdue(lease, prefillTokensPerMs, nowMs) || !this.mayMove(question, nowMs))
      return false;
    const others = this.#chooser.podsFor(question.model, new Set(question.excludedPods), nowMs);
    const room = new OpenPods(others, { limits: this.#rules.queue, ...roomTerms(this.#state, nowMs) });
    return others.some((pod) => room.has(pod, { promptTokens: lease.promptTokens, outputTokens: 0 }));
  }

  /**
   * The request's pod failed before the first token: closes the hold and places it elsewhere under the same lease, at
   * once and however busy the others are.
   */
  move(leaseId: string, nowMs: number, podOutcome: PodOutcome = "server_error"): Placement | RouteRefusal {
    const moved = this.#placements.move(leaseId, podOutcome, nowMs);
    if (moved === undefined) return { ok: false, reason: "no_endpoints", podsKnown: 0 };
    this.#pump(nowMs);
    return moved;
  }

  /** The first body byte came. `waitMs` is the holder's own measure from sending to that byte. */
  firstToken(leaseId: string, waitMs: number, nowMs: number): void {
    if (this.#placements.firstToken(leaseId, waitMs, nowMs)) this.#pump(nowMs);
  }

  renew(leaseId: string, nowMs: number): boolean {
    return this.#placements.renew(leaseId, nowMs);
  }

  /** Takes over a lease opened by an earlier instance. A lease that is held stays as it is. False: its pod is gone. */
  adopt(adopted: AdoptedLease, nowMs: number): boolean {
    return this.#placements.adopt(adopted, nowMs);
  }

  /** Closes a lease, however its request ended. Nothing happens the second time, or for an unknown one. */
  finish(leaseId: string, outcome: LeaseOutcome, nowMs: number): void {
    if (this.#placements.finish(leaseId, outcome, nowMs)) this.#pump(nowMs);
  }

  /** Takes a push's pods. `replayed` changes nothing. */
  report(push: ReportedPush, nowMs: number): FeedVerdict {
    const verdict = takeReport(this.#state, push, this.#chooser.segmentBytes, nowMs);
    if (verdict === "replayed") return verdict;
    this.#dispatch.podsReported(this.#rules.queue, nowMs);
    this.#pump(nowMs);
    return verdict;
  }

  /**
   * Lets leases fall whose holders are silent, and held requests go whose time is over. Called at each request and by the
   * alarm. Returns how many leases fell.
   */
  sweep(nowMs: number): number {
    const fallen = this.#placements.expire(nowMs);
    this.#state.claims.sweep(nowMs);
    this.#dispatch.expire(nowMs);
    this.#pump(nowMs);
    this.#sweptAtMs = nowMs;
    return fallen;
  }

  /** Figures for the admin API, as of the last sweep. */
  inspect(): RouterView {
    return routerView(this.#state, this.#placements, this.#sweptAtMs);
  }

  /** The segments that events confirm of a pod; undefined for a pod that is not known. */
  confirmedOf(podId: string): ConfirmedSegments | undefined {
    const pod = this.#state.registry.get(podId);
    return pod && this.#state.claims.confirmedOf(pod);
  }

  /** The pods of a source whose claims may not be the right ones, and what would make sure of them. */
  unsureOf(source: string): UnsurePod[] {
    return unsurePods(this.#state, source);
  }

  /** What policies remember, if it is to be written now. */
  memoryToKeep(nowMs: number): PolicyMemoryView | undefined {
    return this.#state.policies.memoryToKeep(nowMs);
  }

  /** Takes up what policies remembered. */
  restoreMemory(kept: KeptMemory): void {
    this.#state.policies.restoreMemory(kept);
  }

  /** What a checkpoint holds: pods, leases, feed positions, learned rates, ejections. */
  snapshot(nowMs: number): RouterSnapshot {
    return snapshotOf(this.#state, nowMs);
  }

  /**
   * Takes up where a snapshot left off. Restored leases fall unless their holders adopt or renew them; claims are in doubt
   * until their collectors have vouched for them.
   */
  restore(snapshot: RouterSnapshot, nowMs: number): void {
    restoreSnapshot(this.#state, snapshot, nowMs);
    for (const lease of snapshot.leases) this.adopt(lease, nowMs);
  }

  #pump(nowMs: number): void {
    this.#dispatch.pump(this.#rules.queue, nowMs);
  }
}

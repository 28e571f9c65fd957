import type { Arrival } from "./arrival.ts";
import { hitTokens } from "./candidates.ts";
import { ClaimKeeper } from "./claim-keeper.ts";
import type { Remedy } from "./claim-trust.ts";
import type { ConfirmedSegments } from "./confirmed-claims.ts";
import { type Decided, decide } from "./decide.ts";
import { Dispatch } from "./dispatch.ts";
import { FeedLedger, type FeedVerdict } from "./feeds.ts";
import { FleetHealth, podOutcomeOf } from "./health/fleet-health.ts";
import type { PodOutcome } from "./health/pod-outcome.ts";
import { HeldRequests, type PromptWork } from "./held-requests.ts";
import { HitTruth } from "./hit-truth.ts";
import { learnedHitYield } from "./hit-yield.ts";
import { RateLearner } from "./learned-rates.ts";
import { type Lease, LeaseLedger } from "./lease-ledger.ts";
import { movingMean } from "./moving-mean.ts";
import { PlacementOutlook } from "./outlook/placement-outlook.ts";
import type { HeldRequest, LeaseOutcome, MoveQuestion, Placement, RouteRefusal, RouteRequest } from "./placement.ts";
import type { Placer, PodChoice } from "./placer.ts";
import type { Pod } from "./pod.ts";
import { PodClaims } from "./pod-claims.ts";
import { PodRegistry, type ReportedPush } from "./pod-registry.ts";
import { type KeptMemory, PoliciesInUse } from "./policies-in-use.ts";
import type { Policy } from "./policy.ts";
import type { PolicyMemoryView } from "./policy-memory.ts";
import { promptLength } from "./prompt-length.ts";
import { workCostAt } from "./queue/stretch-order.ts";
import type { Random } from "./random.ts";
import { DEFAULT_LIMITS, type RouterLimits } from "./router-limits.ts";
import type { AdoptedLease, RouterSnapshot } from "./router-snapshot.ts";
import { podView, type RouterView } from "./router-view.ts";
import { type RoutingRules, RULES_OF_OLD_CALLERS } from "./routing-rules.ts";
import type { SpeculativeClaim } from "./speculative-claims.ts";

/** A request between its placement and its first token: all that a move, or taking its claim back, needs. */
type Pending = {
  readonly request: RouteRequest;
  readonly tried: Set<string>;
  readonly claim: SpeculativeClaim | undefined;
};

const NONE: ReadonlySet<string> = new Set();

/**
 * One model's routing: pods, leases, claims and learned rates behind a few synchronous methods. Decides and counts in
 * one step, so simultaneous requests cannot pick the same pod on the same count. Knows no storage, network, clock or
 * randomness of its own.
 */
export class Router {
  /** Carries the claims over a restart. Restores them after `restore`. */
  readonly keeper: ClaimKeeper;
  readonly #instance: string;
  readonly #limits: RouterLimits;
  readonly #random: Random;
  readonly #bornMs: number;
  readonly #registry = new PodRegistry();
  readonly #ledger = new LeaseLedger();
  readonly #claims: PodClaims;
  readonly #pending = new Map<string, Pending>();
  #feeds = new FeedLedger();
  #learner = new RateLearner();
  readonly #truth = new HitTruth();
  readonly #outlook: PlacementOutlook;
  readonly #policies = new PoliciesInUse();
  #rules = RULES_OF_OLD_CALLERS;
  readonly #health = new FleetHealth(this.#rules.health);
  readonly #held = new HeldRequests(this.#rules.queue, () => workCostAt(this.#learner.rates.prefillTokensPerMs));
  readonly #dispatch: Dispatch;
  /** Of the model's settings, as the last request brought it. */
  #segmentBytes = 256;
  #arrivals = 0;
  #leasesOpened = 0;
  #leasesFallen = 0;
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
    this.#random = options.random;
    this.#bornMs = options.nowMs;
    this.#sweptAtMs = options.nowMs;
    this.#limits = options.limits ?? DEFAULT_LIMITS;
    this.#outlook = new PlacementOutlook(options.nowMs);
    const { mostClaims, mostIndexBytes, claimTtlMs: ttlMs } = this.#limits;
    this.#claims = new PodClaims({ mostClaims, mostIndexBytes, ttlMs }, options.nowMs);
    this.keeper = new ClaimKeeper(this.#registry, this.#claims);
    this.#dispatch = new Dispatch(this.#held, {
      podsFor: ({ model, excludedPods }, nowMs) =>
        this.#podsFor(model, excludedPods ? new Set(excludedPods) : NONE, nowMs),
      choose: ({ id, request }, pods, nowMs) => this.#choose(request, id, pods, new Set(request.excludedPods), nowMs),
      waitsForChoice: (request) => {
        const found = this.#policies.find(request);
        return found.ok && found.policy.waitsForChoice === true;
      },
      promptTokensOf: ({ promptTokens, promptBytes }) =>
        promptTokens ?? promptBytes / this.#learner.rates.bytesPerToken,
      workOf: (request, pods) => this.#workOf(request, pods),
      roomTerms: (nowMs) => ({
        backlogMs: ({ outlook }) => this.#outlook.backlogMs(outlook, nowMs),
        nowMs,
        adopting: this.#adopting(nowMs),
      }),
      pods: () => this.#registry.pods,
      released: options.released ?? (() => undefined),
    });
  }

  /** The model's rules from now on. Without any, nothing is held. */
  configure(rules: RoutingRules, nowMs: number): void {
    if (rules === this.#rules) return;
    this.#rules = rules;
    this.#health.configure(rules.health, nowMs);
    this.#held.configure(rules.queue);
  }

  /** Open leases. */
  get leases(): number {
    return this.#ledger.size;
  }

  /** When the next held request's time is over, on the router's clock; undefined while nobody waits. */
  get nextDeadlineAtMs(): number | undefined {
    return this.#held.nextDeadlineAtMs;
  }

  /** How long a collector with news waits between two pushes, in ms. */
  get pushSpacingMs(): number {
    return this.#feeds.spacingMs;
  }

  /** Places a request and opens its lease, or holds it until a pod has room. */
  route(request: RouteRequest, nowMs: number): Placement | HeldRequest | RouteRefusal {
    this.sweep(nowMs);
    this.#health.asked(nowMs);
    const found = this.#policies.find(request);
    if (!found.ok) return found;
    const arrival: Arrival = { id: `${this.#instance}-${++this.#arrivals}`, request, arrivedAtMs: nowMs };
    return this.#dispatch.admit(arrival, this.#rules.queue, nowMs);
  }

  /** The client of a held request has left. Nothing happens if the request has left already. */
  abandon(heldId: string): void {
    this.#held.abandon(heldId);
  }

  /** Whether `move` would find a pod for a request on one of `excludedPods` now, and the budget for it. */
  mayMove({ model, excludedPods }: MoveQuestion, nowMs: number): boolean {
    if (this.#health.retryView(nowMs).remaining === 0) return false;
    return this.#podsFor(model, new Set(excludedPods), nowMs).length > 0;
  }

  /**
   * The request's pod failed before the first token: closes the hold and places it elsewhere under the same lease, at
   * once and however busy the others are.
   */
  move(leaseId: string, nowMs: number, podOutcome?: PodOutcome): Placement | RouteRefusal {
    const lease = this.#ledger.get(leaseId);
    const pending = this.#pending.get(leaseId);
    if (lease === undefined || pending === undefined) return { ok: false, reason: "no_endpoints", podsKnown: 0 };
    const { request, tried } = pending;
    tried.add(lease.pod.id);
    this.#close(lease, nowMs, false, podOutcome ?? "server_error");
    this.#policies.finished(leaseId, { promptTokens: 0, completionTokens: 0 }, nowMs);
    const pods = this.#podsFor(request.model, tried, nowMs);
    const moved = this.#placeAgain(request, leaseId, pods, tried, nowMs);
    if (!moved.ok) this.#held.finished(leaseId, {});
    this.#pump(nowMs);
    return moved;
  }

  /** The first body byte came. `waitMs` is the holder's own measure from sending to that byte. */
  firstToken(leaseId: string, waitMs: number, nowMs: number): void {
    const lease = this.#ledger.get(leaseId);
    if (lease === undefined || lease.firstTokenAtMs !== undefined) return;
    this.#ledger.firstToken(lease, nowMs);
    this.#health.firstToken(lease, nowMs);
    this.#prefilled(leaseId, nowMs);
    this.#outlook.firstToken(leaseId, waitMs, nowMs);
    this.#learner.observeFirstToken(lease.workAtSendTokens, waitMs);
    lease.pod.firstTokenMs = movingMean(lease.pod.firstTokenMs, waitMs);
    this.#pump(nowMs);
  }

  renew(leaseId: string, nowMs: number): boolean {
    const lease = this.#ledger.get(leaseId);
    if (lease === undefined) return false;
    this.#ledger.renew(lease, nowMs);
    return true;
  }

  /** Takes over a lease opened by an earlier instance. A lease that is held stays as it is. False: its pod is gone. */
  adopt(adopted: AdoptedLease, nowMs: number): boolean {
    if (this.renew(adopted.leaseId, nowMs)) return true;
    const pod = this.#registry.get(adopted.podId);
    if (pod === undefined || pod.facts.epoch !== adopted.epoch) return false;
    const { leaseId: id, promptTokens, uncachedTokens, firstTokenSeen } = adopted;
    const openedAtMs = nowMs - adopted.ageMs;
    // The text's length stayed with the instance that is gone: nothing is learned from this one.
    this.#ledger.open({ id, pod, openedAtMs, promptBytes: 0, promptTokens, uncachedTokens, firstTokenSeen }, nowMs);
    return true;
  }

  /** Closes a lease, however its request ended. Nothing happens the second time, or for an unknown one. */
  finish(leaseId: string, outcome: LeaseOutcome, nowMs: number): void {
    const lease = this.#ledger.get(leaseId);
    if (lease === undefined) return;
    const podOutcome = podOutcomeOf(outcome, lease.firstTokenAtMs !== undefined, this.#held.hasWaited(leaseId));
    this.#close(lease, nowMs, outcome.kind === "completed", podOutcome, outcome.completionTokens);
    this.#policies.finished(leaseId, outcome, nowMs);
    this.#held.finished(leaseId, outcome);
    this.#learn(lease, outcome, nowMs);
    this.#pump(nowMs);
  }

  /** Takes a push's pods. `replayed` changes nothing. */
  report(push: ReportedPush, nowMs: number): FeedVerdict {
    const verdict = this.#feeds.take(push.source, push.instance, push.sequence);
    if (verdict === "replayed") return verdict;
    for (const { kind, pod } of this.#registry.report(push.source, push.pods, nowMs)) {
      if (kind === "restarted") this.#health.restarted(pod, nowMs);
      if (kind === "trusted") {
        this.#claims.trust(pod);
        continue;
      }
      this.#claims.clearPod(pod);
      pod.outlook.forget();
    }
    this.#health.setPods(this.#registry.pods, nowMs);
    if (verdict === "resync") this.#doubtAll(push.source);
    for (const { podId, epoch, change } of push.claims) {
      const pod = this.#registry.get(podId);
      if (pod?.source !== push.source || pod.facts.epoch !== epoch) continue;
      this.#claims.apply(pod, change, nowMs);
      if (change.kind === "clear") pod.outlook.forget();
      if (change.kind === "store") this.#learner.observeSegments(change.tokens, this.#segmentBytes);
    }
    this.#dispatch.podsReported(this.#rules.queue, nowMs);
    this.#pump(nowMs);
    return verdict;
  }

  /**
   * Lets leases fall whose holders are silent, and held requests go whose time is over. Called at each request and by the
   * alarm. Returns how many leases fell.
   */
  sweep(nowMs: number): number {
    const fallen = this.#ledger.expired(nowMs - this.#limits.leaseTtlMs);
    for (const lease of fallen) {
      this.#close(lease, nowMs, false, "client_left");
      this.#policies.finished(lease.id, {}, nowMs);
      this.#held.finished(lease.id, {});
    }
    this.#leasesFallen += fallen.length;
    this.#claims.sweep(nowMs);
    this.#dispatch.expire(nowMs);
    this.#pump(nowMs);
    this.#sweptAtMs = nowMs;
    return fallen.length;
  }

  /** Figures for the admin API, as of the last sweep. */
  inspect(): RouterView {
    const nowMs = this.#sweptAtMs;
    const health = this.#health.podViews(nowMs);
    return {
      leases: this.#ledger.size,
      leasesOpened: this.#leasesOpened,
      leasesFallen: this.#leasesFallen,
      ...this.#claims.view,
      truth: this.#truth.view(),
      rates: this.#learner.rates,
      queue: this.#held.view(nowMs),
      retries: this.#health.retryView(nowMs),
      pods: this.#registry.pods.map((pod) => podView(pod, this.#claims.podSizes(pod), health.get(pod.id))),
    };
  }

  /** The segments that events confirm of a pod; undefined for a pod that is not known. */
  confirmedOf(podId: string): ConfirmedSegments | undefined {
    const pod = this.#registry.get(podId);
    return pod && this.#claims.confirmedOf(pod);
  }

  /** The pods of a source whose claims may not be the right ones, and what would make sure of them. */
  unsureOf(source: string): { readonly podId: string; readonly remedy: Remedy }[] {
    return this.#registry.pods.flatMap((pod) => {
      const remedy = pod.source === source ? this.#claims.remedyFor(pod) : undefined;
      return remedy === undefined ? [] : [{ podId: pod.id, remedy }];
    });
  }

  /** What policies remember, if it is to be written now. */
  memoryToKeep(nowMs: number): PolicyMemoryView | undefined {
    return this.#policies.memoryToKeep(nowMs);
  }

  /** Takes up what policies remembered. */
  restoreMemory(kept: KeptMemory): void {
    this.#policies.restoreMemory(kept);
  }

  /** What a checkpoint holds: pods, leases, feed positions, learned rates, ejections. */
  snapshot(nowMs: number): RouterSnapshot {
    return {
      pods: this.#registry.pods.map((pod) => ({ source: pod.source, facts: pod.facts })),
      leases: [...this.#ledger.values()].map((lease) => ({
        leaseId: lease.id,
        podId: lease.pod.id,
        epoch: lease.epoch,
        ageMs: nowMs - lease.openedAtMs,
        firstTokenSeen: lease.firstTokenAtMs !== undefined,
        promptTokens: lease.promptTokens,
        uncachedTokens: lease.uncachedTokens,
      })),
      feeds: this.#feeds.entries(),
      learned: this.#learner.state,
      ejections: this.#health.snapshot(nowMs),
      drain: this.#held.drainState,
    };
  }

  /**
   * Takes up where a snapshot left off. Restored leases fall unless their holders adopt or renew them; claims are in doubt
   * until their collectors have vouched for them.
   */
  restore(snapshot: RouterSnapshot, nowMs: number): void {
    this.#feeds = new FeedLedger(snapshot.feeds);
    this.#learner = new RateLearner(snapshot.learned);
    for (const { source, facts } of snapshot.pods) {
      this.#claims.doubt(this.#registry.restore(source, facts, nowMs));
    }
    this.#health.setPods(this.#registry.pods, nowMs);
    this.#health.restore(snapshot.ejections ?? [], nowMs);
    if (snapshot.drain !== undefined) this.#held.restore(snapshot.drain);
    for (const lease of snapshot.leases) this.adopt(lease, nowMs);
  }

  #doubtAll(source: string): void {
    for (const pod of this.#registry.pods) if (pod.source === source) this.#claims.doubt(pod);
  }

  #learn(lease: Lease, outcome: LeaseOutcome, nowMs: number): void {
    if (outcome.kind === "completed" && lease.firstTokenAtMs !== undefined) {
      lease.pod.decodeMs = movingMean(lease.pod.decodeMs, nowMs - lease.firstTokenAtMs);
    }
    if (outcome.promptTokens === undefined) return;
    lease.pod.promptTokens += outcome.promptTokens;
    lease.pod.cachedTokens += outcome.cachedTokens ?? 0;
    this.#learner.observePromptLength(lease.promptBytes, outcome.promptTokens);
    if (outcome.cachedTokens === undefined || lease.prediction === undefined) return;
    const { hitTokens: predicted, toleranceTokens } = lease.prediction;
    this.#truth.observe(predicted, outcome.cachedTokens, toleranceTokens);
    lease.pod.hitYield = learnedHitYield(lease.pod.hitYield, predicted, outcome.cachedTokens);
  }

  #pump(nowMs: number): void {
    this.#dispatch.pump(this.#rules.queue, nowMs);
  }

  #adopting(nowMs: number): boolean {
    return nowMs - this.#bornMs < this.#limits.adoptionMs;
  }

  #podsFor(model: string, tried: ReadonlySet<string>, nowMs: number): readonly Pod[] {
    return this.#health.admitted(this.#registry.routable(model, nowMs, this.#limits.podFreshMs, tried), nowMs);
  }

  #workOf(request: RouteRequest, pods: readonly Pod[]): PromptWork {
    const { rates } = this.#learner;
    this.#claims.match(request.segments);
    const matches = pods.map((pod) => this.#claims.found(pod, request.segmentBytes / rates.bytesPerToken));
    const promptTokens = request.promptTokens ?? promptLength(request, matches, rates);
    const hits = pods.map(({ facts }, i) => hitTokens(matches[i]?.tokens ?? 0, promptTokens, facts.blockTokens ?? 1));
    return { promptTokens, uncachedTokens: promptTokens - Math.max(...hits) };
  }

  #placeAgain(
    request: RouteRequest,
    leaseId: string,
    pods: readonly Pod[],
    tried: Set<string>,
    nowMs: number,
  ): Placement | RouteRefusal {
    if (pods.length === 0) return { ok: false, reason: "no_endpoints", podsKnown: this.#registry.pods.length };
    if (!this.#health.tryRetry(nowMs)) return { ok: false, reason: "retry_budget" };
    const choice = this.#choose(request, leaseId, pods, tried, nowMs);
    return choice.ok ? choice.open() : choice;
  }

  /** `pods` are not none. */
  #choose(
    request: RouteRequest,
    leaseId: string,
    pods: readonly Pod[],
    tried: Set<string>,
    nowMs: number,
  ): PodChoice | RouteRefusal {
    const found = this.#policies.find(request);
    if (!found.ok) return found;
    const { policy } = found;
    const { rates } = this.#learner;
    const segmentTokens = request.segmentBytes / rates.bytesPerToken;
    this.#segmentBytes = request.segmentBytes;
    this.#claims.match(request.segments);
    const decided = decide(request, {
      policy,
      pods,
      matches: pods.map((pod) => this.#claims.found(pod, segmentTokens)),
      rates,
      random: this.#random,
      memory: this.#policies.memory,
      retried: tried.size > 0,
      nowMs,
      adopting: this.#adopting(nowMs),
      heldPerPod: this.#rules.queue.enabled ? this.#held.queued / pods.length : undefined,
      outlook: {
        account: this.#outlook,
        chain: this.#outlook.continued(request.segments, segmentTokens),
      },
    });
    const { pod, promptTokens, matchedTokens } = decided;
    const uncachedTokens = Math.max(0, promptTokens - matchedTokens);
    const open = () =>
      this.#open(request, leaseId, { ...decided, policy, segmentTokens, uncachedTokens }, tried, nowMs);
    return { ok: true, pod, promptTokens, uncachedTokens, open };
  }

  /** Carries out a decision that has just been made. */
  #open(
    request: RouteRequest,
    leaseId: string,
    decided: Decided & { readonly policy: Policy; readonly segmentTokens: number; readonly uncachedTokens: number },
    tried: Set<string>,
    nowMs: number,
  ): Placement {
    const { policy, pod, promptTokens, matchedTokens, uncachedTokens, segmentTokens } = decided;
    const { prediction, record, placement } = decided;
    this.#policies.placed(leaseId, policy, placement);
    const capacity = this.#capacitySegments(pod, segmentTokens);
    const claim = this.#claims.claim(pod, request.segments, capacity, this.#registry.pods.length, nowMs);
    const { promptBytes } = request;
    const opening = { id: leaseId, pod, openedAtMs: nowMs, promptBytes, promptTokens, uncachedTokens, prediction };
    this.#health.sent(this.#ledger.open({ ...opening, firstTokenSeen: false }, nowMs), nowMs);
    if (tried.size === (request.excludedPods?.length ?? 0)) this.#leasesOpened++;
    this.#pending.set(leaseId, { request, tried, claim });
    const { segments } = request;
    const { capacityTokens } = pod.facts;
    const sent = { leaseId, pod: pod.outlook, segments, segmentTokens, promptTokens, matchedTokens, capacityTokens };
    this.#outlook.sent(sent, nowMs);
    pod.requests++;
    return { ok: true, leaseId, pod, matchedTokens, promptTokens, record };
  }

  #capacitySegments(pod: Pod, segmentTokens: number): number {
    const { capacityTokens } = pod.facts;
    if (capacityTokens === undefined) return this.#limits.defaultCapacitySegments;
    return Math.floor((capacityTokens * this.#limits.cacheShare) / segmentTokens);
  }

  /** `prefilled` tells whether the pod did the work, and so holds what was claimed. */
  #close(lease: Lease, nowMs: number, prefilled: boolean, podOutcome: PodOutcome, answerTokens?: number): void {
    if (!this.#ledger.close(lease, nowMs)) return;
    this.#outlook.ended(lease.id, prefilled, answerTokens, nowMs);
    this.#health.ended(lease, podOutcome, nowMs);
    const claim = this.#pending.get(lease.id)?.claim;
    if (prefilled) this.#prefilled(lease.id, nowMs);
    else if (claim !== undefined) this.#claims.takeBack(claim);
    this.#pending.delete(lease.id);
  }

  /** The pod has prefilled the request: its claim stands, and nothing can be moved or taken back any more. */
  #prefilled(leaseId: string, nowMs: number): void {
    const claim = this.#pending.get(leaseId)?.claim;
    if (claim !== undefined) this.#claims.settle(claim, nowMs);
    this.#pending.delete(leaseId);
  }
}

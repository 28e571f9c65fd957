import { ClaimKeeper } from "./claim-keeper.ts";
import type { Remedy } from "./claim-trust.ts";
import type { ConfirmedSegments } from "./confirmed-claims.ts";
import { decide } from "./decide.ts";
import { FeedLedger, type FeedVerdict } from "./feeds.ts";
import { HitTruth } from "./hit-truth.ts";
import { learnedHitYield } from "./hit-yield.ts";
import { RateLearner } from "./learned-rates.ts";
import { type Lease, LeaseLedger } from "./lease-ledger.ts";
import { movingMean } from "./moving-mean.ts";
import { PlacementOutlook } from "./outlook/placement-outlook.ts";
import type { LeaseOutcome, Placement, RouteRefusal, RouteRequest } from "./placement.ts";
import type { Pod } from "./pod.ts";
import { PodClaims } from "./pod-claims.ts";
import { PodRegistry, type ReportedPush } from "./pod-registry.ts";
import { type KeptMemory, PoliciesInUse } from "./policies-in-use.ts";
import type { PolicyMemoryView } from "./policy-memory.ts";
import type { Random } from "./random.ts";
import { DEFAULT_LIMITS, type RouterLimits } from "./router-limits.ts";
import type { AdoptedLease, RouterSnapshot } from "./router-snapshot.ts";
import type { RouterView } from "./router-view.ts";
import type { SpeculativeClaim } from "./speculative-claims.ts";

/** A request between its placement and its first token: all that a move, or taking its claim back, needs. */
type Pending = {
  readonly request: RouteRequest;
  readonly tried: Set<string>;
  readonly claim: SpeculativeClaim | undefined;
};

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
  /** Of the model's settings, as the last request brought it. */
  #segmentBytes = 256;
  #leasesOpened = 0;
  #leasesFallen = 0;

  /** `instance` makes lease ids unique over restarts. */
  constructor(options: { instance: string; random: Random; nowMs: number; limits?: RouterLimits }) {
    this.#instance = options.instance;
    this.#random = options.random;
    this.#bornMs = options.nowMs;
    this.#limits = options.limits ?? DEFAULT_LIMITS;
    this.#outlook = new PlacementOutlook(options.nowMs);
    const { mostClaims, mostIndexBytes, claimTtlMs: ttlMs } = this.#limits;
    this.#claims = new PodClaims({ mostClaims, mostIndexBytes, ttlMs }, options.nowMs);
    this.keeper = new ClaimKeeper(this.#registry, this.#claims);
  }

  /** Open leases. */
  get leases(): number {
    return this.#ledger.size;
  }

  /** How long a collector with news waits between two pushes, in ms. */
  get pushSpacingMs(): number {
    return this.#feeds.spacingMs;
  }

  /** Places a request and opens its lease. */
  route(request: RouteRequest, nowMs: number): Placement | RouteRefusal {
    this.sweep(nowMs);
    const placed = this.#place(request, `${this.#instance}-${this.#leasesOpened + 1}`, new Set(), nowMs);
    if (placed.ok) this.#leasesOpened++;
    return placed;
  }

  /** The request's pod failed before the first token: closes the hold and places it elsewhere under the same lease. */
  move(leaseId: string, nowMs: number): Placement | RouteRefusal {
    const lease = this.#ledger.get(leaseId);
    const pending = this.#pending.get(leaseId);
    if (lease === undefined || pending === undefined) return { ok: false, reason: "no_endpoints", podsKnown: 0 };
    pending.tried.add(lease.pod.id);
    this.#close(lease, nowMs, false);
    this.#policies.finished(leaseId, { promptTokens: 0, completionTokens: 0 }, nowMs);
    return this.#place(pending.request, leaseId, pending.tried, nowMs);
  }

  /** The first body byte came. `waitMs` is the holder's own measure from sending to that byte. */
  firstToken(leaseId: string, waitMs: number, nowMs: number): void {
    const lease = this.#ledger.get(leaseId);
    if (lease === undefined || lease.firstTokenAtMs !== undefined) return;
    this.#ledger.firstToken(lease, nowMs);
    this.#prefilled(leaseId, nowMs);
    this.#outlook.firstToken(leaseId, waitMs, nowMs);
    this.#learner.observeFirstToken(lease.workAtSendTokens, waitMs);
    lease.pod.firstTokenMs = movingMean(lease.pod.firstTokenMs, waitMs);
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
    this.#close(lease, nowMs, outcome.kind === "completed", outcome.completionTokens);
    this.#policies.finished(leaseId, outcome, nowMs);
    if (outcome.kind === "completed" && lease.firstTokenAtMs !== undefined) {
      lease.pod.decodeMs = movingMean(lease.pod.decodeMs, nowMs - lease.firstTokenAtMs);
    }
    if (outcome.promptTokens === undefined) return;
    lease.pod.promptTokens += outcome.promptTokens;
    lease.pod.cachedTokens += outcome.cachedTokens ?? 0;
    this.#learner.observePromptLength(lease.promptBytes, outcome.promptTokens);
    if (outcome.cachedTokens === undefined || lease.prediction === undefined) return;
    const { hitTokens, toleranceTokens } = lease.prediction;
    this.#truth.observe(hitTokens, outcome.cachedTokens, toleranceTokens);
    lease.pod.hitYield = learnedHitYield(lease.pod.hitYield, hitTokens, outcome.cachedTokens);
  }

  /** Takes a push's pods. `replayed` changes nothing. */
  report(push: ReportedPush, nowMs: number): FeedVerdict {
    const verdict = this.#feeds.take(push.source, push.instance, push.sequence);
    if (verdict === "replayed") return verdict;
    for (const { kind, pod } of this.#registry.report(push.source, push.pods, nowMs)) {
      if (kind === "trusted") {
        this.#claims.trust(pod);
        continue;
      }
      this.#claims.clearPod(pod);
      pod.outlook.forget();
    }
    if (verdict === "resync") this.#doubtAll(push.source);
    for (const { podId, epoch, change } of push.claims) {
      const pod = this.#registry.get(podId);
      if (pod?.source !== push.source || pod.facts.epoch !== epoch) continue;
      this.#claims.apply(pod, change, nowMs);
      if (change.kind === "clear") pod.outlook.forget();
      if (change.kind === "store") this.#learner.observeSegments(change.tokens, this.#segmentBytes);
    }
    return verdict;
  }

  /** Lets leases fall whose holders are silent. Called at each request and by the alarm. Returns how many fell. */
  sweep(nowMs: number): number {
    const fallen = this.#ledger.expired(nowMs - this.#limits.leaseTtlMs);
    for (const lease of fallen) {
      this.#close(lease, nowMs, false);
      this.#policies.finished(lease.id, {}, nowMs);
    }
    this.#leasesFallen += fallen.length;
    this.#claims.sweep(nowMs);
    return fallen.length;
  }

  /** Figures for the admin API: per pod and in all. */
  inspect(): RouterView {
    return {
      leases: this.#ledger.size,
      leasesOpened: this.#leasesOpened,
      leasesFallen: this.#leasesFallen,
      ...this.#claims.view,
      truth: this.#truth.view(),
      rates: this.#learner.rates,
      pods: this.#registry.pods.map((pod) => ({
        ...pod.facts,
        inFlight: pod.inFlight,
        backlogTokens: pod.backlogTokens,
        gauges: pod.gauges,
        requests: pod.requests,
        promptTokens: pod.promptTokens,
        cachedTokens: pod.cachedTokens,
        hitYield: pod.hitYield,
        claims: this.#claims.podSizes(pod),
      })),
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

  /** What a checkpoint holds: pods, leases, feed positions, learned rates. */
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
    for (const lease of snapshot.leases) this.adopt(lease, nowMs);
  }

  #doubtAll(source: string): void {
    for (const pod of this.#registry.pods) if (pod.source === source) this.#claims.doubt(pod);
  }

  #place(request: RouteRequest, leaseId: string, tried: Set<string>, nowMs: number): Placement | RouteRefusal {
    const found = this.#policies.find(request);
    if (!found.ok) return found;
    const { policy } = found;
    const pods = this.#registry.routable(request.model, nowMs, this.#limits.podFreshMs, tried);
    if (pods.length === 0) {
      return { ok: false, reason: "no_endpoints", podsKnown: this.#registry.pods.length };
    }
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
      adopting: nowMs - this.#bornMs < this.#limits.adoptionMs,
      outlook: {
        account: this.#outlook,
        chain: this.#outlook.continued(request.segments, segmentTokens),
      },
    });
    const { pod, promptTokens, matchedTokens, prediction, record, placement } = decided;
    this.#policies.placed(leaseId, policy, placement);
    const capacity = this.#capacitySegments(pod, segmentTokens);
    const claim = this.#claims.claim(pod, request.segments, capacity, this.#registry.pods.length, nowMs);
    const uncachedTokens = Math.max(0, promptTokens - matchedTokens);
    const { promptBytes } = request;
    const opening = { id: leaseId, pod, openedAtMs: nowMs, promptBytes, promptTokens, uncachedTokens, prediction };
    this.#ledger.open({ ...opening, firstTokenSeen: false }, nowMs);
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
  #close(lease: Lease, nowMs: number, prefilled: boolean, answerTokens?: number): void {
    if (!this.#ledger.close(lease, nowMs)) return;
    this.#outlook.ended(lease.id, prefilled, answerTokens, nowMs);
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

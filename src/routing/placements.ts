import { learnFromAnswer } from "./answer-lessons.ts";
import { CandidateField, hitTokens } from "./candidates.ts";
import { type Decided, type DecisionTerms, decide } from "./decide.ts";
import { podOutcomeOf } from "./health/fleet-health.ts";
import type { PodOutcome } from "./health/pod-outcome.ts";
import type { PromptWork } from "./held-requests.ts";
import type { Lease } from "./lease-ledger.ts";
import { movingMean } from "./moving-mean.ts";
import type { Chain } from "./outlook/pod-outlook.ts";
import type { LeaseOutcome, Placement, RouteRefusal, RouteRequest } from "./placement.ts";
import type { PodChoice } from "./placer.ts";
import type { Pod } from "./pod.ts";
import type { Policy } from "./policy.ts";
import { promptLength } from "./prompt-length.ts";
import { type Random, seededRandom } from "./random.ts";
import type { AdoptedLease } from "./router-snapshot.ts";
import { isAdopting, type RouterState } from "./router-state.ts";
import type { SpeculativeClaim } from "./speculative-claims.ts";

/** A request to be placed under this lease. */
export type Placing = {
  readonly leaseId: string;
  readonly request: RouteRequest;
  readonly policy: Policy;
  /** Pods that failed it. */
  readonly tried: Set<string>;
};

/** What a decision needs that the state does not tell. */
type Deciding = Pick<DecisionTerms, "policy" | "field" | "random" | "retried"> & { readonly chain: Chain | undefined };

/** A request between its placement and its first token: all that a move, or taking its claim back, needs. */
type Pending = Placing & { readonly claim: SpeculativeClaim | undefined };

/** Where requests are, from the choice of a pod to the end of the lease, and what is counted and learned on the way. */
export class Placements {
  readonly #state: RouterState;
  readonly #random: Random;
  readonly #pending = new Map<string, Pending>();
  /** Of the last placement, and the registry's version then: mostly the next is among the same pods. */
  #field = new CandidateField([]);
  #fieldVersion = 0;
  #segmentBytes = 256;
  #opened = 0;
  #fallen = 0;

  constructor(state: RouterState, random: Random) {
    this.#state = state;
    this.#random = random;
  }

  /** Leases opened since the start, each once however often its request moved; adopted ones are not among them. */
  get opened(): number {
    return this.#opened;
  }

  /** Leases that fell since the start. */
  get fallen(): number {
    return this.#fallen;
  }

  /** Of the model's settings, as the last request brought it. */
  get segmentBytes(): number {
    return this.#segmentBytes;
  }

  /** The pods a request may be sent to, busy or not. */
  podsFor(model: string, tried: ReadonlySet<string>, nowMs: number): readonly Pod[] {
    const { registry, health, limits } = this.#state;
    return health.admitted(registry.routable(model, nowMs, limits.podFreshMs, tried), nowMs);
  }

  /** What a prompt comes to on the pod that holds most of it. */
  workOf(request: RouteRequest, pods: readonly Pod[]): PromptWork {
    const { claims, learner } = this.#state;
    const { rates } = learner;
    claims.match(request.segments);
    const { columns } = this.#fieldOf(pods);
    const matches = claims.matchesOf(columns, request.segmentBytes / rates.bytesPerToken);
    const promptTokens = request.promptTokens ?? promptLength(request, matches, rates);
    let mostHit = 0;
    columns.blockTokens.forEach((blockTokens, i) => {
      mostHit = Math.max(mostHit, hitTokens(matches.tokens[i] as number, promptTokens, blockTokens));
    });
    return { promptTokens, uncachedTokens: promptTokens - mostHit };
  }

  /** Lets the policy choose among the pods, which are not none. */
  choose(placing: Placing, pods: readonly Pod[], nowMs: number): PodChoice {
    const { leaseId, request, policy, tried } = placing;
    const { learner, outlook, decisions } = this.#state;
    this.#segmentBytes = request.segmentBytes;
    const chain = outlook.continued(request.segments, request.segmentBytes / learner.rates.bytesPerToken);
    const sample = decisions.sample(this.#random);
    const random = sample?.random ?? this.#random;
    const field = this.#fieldOf(pods);
    const terms = this.#termsOf(request, { policy, field, random, retried: tried.size > 0, chain }, nowMs);
    const decided = decide(request, terms);
    const { pod, promptTokens, matchedTokens } = decided;
    const open = (): Placement => {
      if (sample !== undefined) decisions.keep({ leaseId, request, terms, ...decided, draws: sample.draws });
      return this.#open(placing, decided, chain, nowMs);
    };
    return { ok: true, pod, promptTokens, uncachedTokens: Math.max(0, promptTokens - matchedTokens), open };
  }

  /** Carries out a decision that has just been made. */
  #open(
    { leaseId, request, policy, tried }: Placing,
    decided: Decided,
    chain: Chain | undefined,
    nowMs: number,
  ): Placement {
    const { pod, promptTokens, matchedTokens, prediction, record, placement } = decided;
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
    return { ok: true, leaseId, pod, matchedTokens, promptTokens, record };
  }

  /** What a decision among these pods would be made from. Changes nothing; draws are seeded by the prompt. */
  termsToExplain(request: RouteRequest, policy: Policy, pods: readonly Pod[], nowMs: number): DecisionTerms {
    const { segments, excludedPods = [] } = request;
    const { outlook, learner } = this.#state;
    const chain = outlook.continued(segments, request.segmentBytes / learner.rates.bytesPerToken);
    const random = seededRandom(segments.at(-2) ?? 0);
    const retried = excludedPods.length > 0;
    return this.#termsOf(request, { policy, field: new CandidateField(pods), random, retried, chain }, nowMs);
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
    const pods = this.podsFor(request.model, tried, nowMs);
    if (pods.length === 0) return { ok: false, reason: "no_endpoints", podsKnown: registry.pods.length };
    if (!health.tryRetry(nowMs)) return { ok: false, reason: "retry_budget" };
    return this.choose({ leaseId, request, policy, tried }, pods, nowMs).open();
  }

  /** Looks the prompt up: what was found of the one before is void. */
  #termsOf(request: RouteRequest, { policy, field, random, retried, chain }: Deciding, nowMs: number): DecisionTerms {
    const { claims, learner, outlook, policies, held } = this.#state;
    const { rates } = learner;
    claims.match(request.segments);
    return {
      policy,
      field,
      matches: claims.matchesOf(field.columns, request.segmentBytes / rates.bytesPerToken),
      rates,
      random,
      memory: policies.memory,
      retried,
      nowMs,
      adopting: isAdopting(this.#state, nowMs),
      heldPerPod: held.isEnabled ? held.queued / field.columns.pods.length : undefined,
      outlook: { account: outlook, chain },
    };
  }

  #fieldOf(pods: readonly Pod[]): CandidateField {
    const { version } = this.#state.registry;
    if (this.#fieldVersion !== version || !areSame(this.#field.columns.pods, pods)) {
      this.#field = new CandidateField(pods);
      this.#fieldVersion = version;
    }
    return this.#field;
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

function areSame(some: readonly Pod[], others: readonly Pod[]): boolean {
  if (some === others) return true;
  if (some.length !== others.length) return false;
  for (let i = 0; i < some.length; i++) if (some[i] !== others[i]) return false;
  return true;
}

import { DurableObject } from "cloudflare:workers";
import { type ClusterName, podIdOf } from "../src/protocol/identifiers.ts";
import type { PushMessage, PushReply } from "../src/protocol/push-message.ts";
import type { Remedy } from "../src/routing/claim-trust.ts";
import type { ConfirmedSegments } from "../src/routing/confirmed-claims.ts";
import type { HeldRequest, Placement, RouteRefusal } from "../src/routing/placement.ts";
import { Router } from "../src/routing/router.ts";
import type { RouterView } from "../src/routing/router-view.ts";
import { type RoutingRules, RULES_OF_OLD_CALLERS, routingRules } from "../src/routing/routing-rules.ts";
import type { DecisionsCall, DecisionsReply, ExplainCall, ExplainReply } from "./decision-rpc.ts";
import { GIVEN_UP, HeldPlace, type HeldResult, HeldStub, PlaceStub } from "./held-stub.ts";
import { type LeaseKeeper, LeaseStub } from "./lease-stub.ts";
import { PodList, routedPod } from "./pod-list.ts";
import { changeOf, factsOf } from "./pushed-facts.ts";
import { RouterStorage, type StorageView } from "./router-storage.ts";
import type { AdoptCall, AdoptReply, HeldReply, RouteCall, RoutedRequest, RouteReply } from "./routing-rpc.ts";

const CHECKPOINT_MS = 1_000;
/** While leases are open but nothing changes, the alarm only looks for fallen ones. */
const SWEEP_MS = 5_000;
/** While requests are held it also looks for those whose time is over, and for pods that have worked off their backlog. */
const HELD_SWEEP_MS = 1_000;

/**
 * What the object reads of its bindings. `WARMPATH_CHECKPOINTS=off` is for measuring what checkpoints cost (`scripts/bench
 * checkpoint`): nothing outlives a restart then.
 */
type RouterBindings = { readonly WARMPATH_CHECKPOINTS?: string };

/** What a push's reply says, or that its numbers were taken before. */
export type IngestReply =
  | { readonly ok: true; readonly reply: PushReply }
  | { readonly ok: false; readonly reason: "push_replayed" };

/** What a caller wants to be told beside its pod. */
type AnswerWishes = Pick<RouteCall, "podsWanted">;

/**
 * The one writer of a model's pods, leases and claims: RPC, storage and alarm around `Router`. Requests write no
 * storage; an alarm checkpoints what changed.
 */
export class ModelRouter extends DurableObject {
  readonly #router: Router;
  readonly #keeper: LeaseKeeper;
  readonly #storage: RouterStorage;
  /** By id of a held request: hands it what became of it. */
  readonly #held = new Map<string, (result: HeldResult) => void>();
  /** The rules now in force, as they were sent. */
  #rules: string | undefined;
  #alarmArmed = false;
  #dirty = false;
  readonly #podList: PodList;

  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env as Cloudflare.Env);
    const nowMs = Date.now();
    this.#router = new Router({
      instance: crypto.randomUUID().slice(0, 13),
      random: Math.random,
      nowMs,
      released: (heldId, result) => this.#release(heldId, result),
    });
    const { WARMPATH_CHECKPOINTS } = env as RouterBindings;
    this.#podList = new PodList(this.#router);
    this.#storage = new RouterStorage(ctx, nowMs, WARMPATH_CHECKPOINTS !== "off");
    this.#storage.load(this.#router, nowMs);
    const router = this.#router;
    this.#keeper = {
      firstToken: (leaseId, waitMs) => router.firstToken(leaseId, waitMs, Date.now()),
      renew: (leaseId) => router.renew(leaseId, Date.now()),
      mayMove: (call) => router.mayMove(call, Date.now()),
      isOverdue: (leaseId, call) => router.isOverdue(leaseId, call, Date.now()),
      move: (leaseId, { podOutcome }) => replyOf(router.move(leaseId, Date.now(), podOutcome)),
      finish: (leaseId, outcome) => {
        router.finish(leaseId, outcome, Date.now());
        this.#changed();
      },
    };
  }

  /**
   * Places a request and opens its lease, or holds it until a pod has room. One billed request for the whole life of the
   * lease and of the wait before it.
   */
  route(call: RouteCall): RouteReply | HeldReply {
    const nowMs = Date.now();
    const { insteadOf } = call;
    this.#configure(call.rules, nowMs);
    if (insteadOf !== undefined) {
      this.#router.finish(insteadOf.leaseId, { kind: "failed", podOutcome: insteadOf.podOutcome }, nowMs);
    }
    const result = this.#router.route(call, nowMs);
    this.#changed();
    return !result.ok && result.reason === "held" ? this.#hold(result, call) : this.#opened(result, call);
  }

  /** Takes over a lease that an earlier instance of this object opened. */
  adopt(call: AdoptCall): AdoptReply {
    if (!this.#router.adopt(call, Date.now())) return { ok: false };
    this.#changed();
    const { leaseId, firstTokenSeen } = call;
    return { ok: true, lease: new LeaseStub(this.#keeper, leaseId, { firstTokenSeen }) };
  }

  /** Takes a collector's push. The Worker has authenticated the cluster and checked the message's shape. */
  ingest({ cluster, push }: { readonly cluster: ClusterName; readonly push: PushMessage }): IngestReply {
    const source = `${cluster}/${push.source}`;
    const verdict = this.#router.report(
      {
        source,
        instance: push.instance,
        sequence: push.sequence,
        pods: push.pods.map((pod) => ({ facts: factsOf(cluster, pod), gauges: pod.sample })),
        claims: push.claims.map((claim) => ({
          podId: podIdOf(cluster, claim.pod),
          epoch: claim.epoch,
          change: changeOf(claim),
        })),
      },
      Date.now(),
    );
    if (verdict === "replayed") return { ok: false, reason: "push_replayed" };
    this.#changed();
    const asked = this.#askFor(source, cluster, push);
    return { ok: true, reply: { acknowledged: push.sequence, ...asked, nextPushMs: this.#router.pushSpacingMs } };
  }

  /** The admin API's figures. */
  inspect(): RouterView & { readonly storage: StorageView } {
    const nowMs = Date.now();
    this.#router.sweep(nowMs);
    return { ...this.#router.inspect(), storage: this.#storage.view(nowMs) };
  }

  /** The segments that events confirm of a pod, for the admin API. */
  confirmedClaims({ podId }: { readonly podId: string }): ConfirmedSegments | undefined {
    return this.#router.confirmedOf(podId);
  }

  /** What `route` would do, and why. Changes nothing. */
  explain(call: ExplainCall): ExplainReply {
    return this.#router.explain(call, rulesOf(call.rules), Date.now());
  }

  /** The recorded decisions. */
  decisions(call: DecisionsCall): DecisionsReply {
    return {
      lines: this.#router.decisions
        .latest(call)
        .map((decision) => `${JSON.stringify(decision)}\n`)
        .join(""),
    };
  }

  /** Ends this instance as a deploy does: memory is gone, storage stays, the next call begins another one. */
  reset(): void {
    this.ctx.abort("reset by an administrator");
  }

  override alarm(): void {
    this.#alarmArmed = false;
    const nowMs = Date.now();
    if (this.#router.sweep(nowMs) > 0) this.#dirty = true;
    if (this.#dirty || this.#router.keeper.isBehind) this.#storage.save(this.#router, nowMs);
    this.#dirty = false;
    const { leases, keeper, nextDeadlineAtMs } = this.#router;
    if (nextDeadlineAtMs !== undefined) this.#armAlarm(Math.min(HELD_SWEEP_MS, Math.max(1, nextDeadlineAtMs - nowMs)));
    else if (leases > 0 || keeper.isBehind) this.#armAlarm(SWEEP_MS);
  }

  /** What a push's sender is asked for, until the router is sure of its pods' claims. */
  #askFor(source: string, cluster: ClusterName, { pods, checks }: PushMessage): Pick<PushReply, "resync" | "check"> {
    const unsure = new Map(this.#router.unsureOf(source).map(({ podId, remedy }) => [podId, remedy]));
    const named = (...remedies: Remedy[]) =>
      pods.flatMap(({ name }) => {
        const remedy = unsure.get(podIdOf(cluster, name));
        return remedy !== undefined && remedies.includes(remedy) ? [name] : [];
      });
    return checks ? { resync: named("resync"), check: named("check") } : { resync: named("resync", "check") };
  }

  /** Rules come with each request, as text: comparing it costs less than reading it. */
  #configure(rules: string | undefined, nowMs: number): void {
    if (rules === this.#rules) return;
    this.#rules = rules;
    this.#router.configure(rulesOf(rules), nowMs);
  }

  #opened(result: Placement | RouteRefusal, { podsWanted }: AnswerWishes): RouteReply {
    const placed = replyOf(result);
    if (!placed.ok) return placed;
    const lease = new LeaseStub(this.#keeper, placed.leaseId, { firstTokenSeen: false });
    return { ...placed, lease, ...(podsWanted === true && { pods: this.#podList.at(Date.now()) }) };
  }

  #hold({ heldId, waitMs, podsKnown }: HeldRequest, { podsWanted }: RouteCall): HeldReply {
    const wishes: AnswerWishes = { podsWanted };
    const { promise, resolve } = Promise.withResolvers<HeldResult>();
    this.#held.set(heldId, resolve);
    const place = new HeldPlace(
      {
        abandon: () => {
          this.#router.abandon(heldId);
          this.#release(heldId, GIVEN_UP);
        },
        replyOf: (result) => this.#opened(result, wishes),
        drop: (leaseId) => this.#keeper.finish(leaseId, { kind: "client_left" }),
      },
      promise,
    );
    return { ok: false, reason: "held", waitMs, podsKnown, held: new HeldStub(place), place: new PlaceStub(place) };
  }

  #release(heldId: string, result: HeldResult): void {
    this.#held.get(heldId)?.(result);
    this.#held.delete(heldId);
    this.#changed();
  }

  #changed(): void {
    if (this.#dirty && this.#alarmArmed) return;
    this.#dirty = true;
    this.#armAlarm(CHECKPOINT_MS);
  }

  #armAlarm(inMs: number): void {
    if (this.#alarmArmed && inMs !== CHECKPOINT_MS) return;
    const nowMs = Date.now();
    this.#alarmArmed = this.#storage.setAlarm(nowMs + inMs, nowMs);
  }
}

function rulesOf(rules: string | undefined): RoutingRules {
  return rules === undefined ? RULES_OF_OLD_CALLERS : routingRules(JSON.parse(rules));
}

function replyOf(placement: Placement | RouteRefusal): RoutedRequest | RouteRefusal {
  if (!placement.ok) return placement;
  const { leaseId, promptTokens, matchedTokens, record } = placement;
  const pod = routedPod(placement.pod.facts);
  return { ok: true, leaseId, pod, promptTokens, matchedTokens, ...(record && { record }) };
}

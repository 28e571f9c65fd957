import { DurableObject } from "cloudflare:workers";
import { type ClusterName, podIdOf } from "../src/protocol/identifiers.ts";
import type { PodReport, ClaimChange as PushedClaim, PushMessage, PushReply } from "../src/protocol/push-message.ts";
import type { Remedy } from "../src/routing/claim-trust.ts";
import type { ClaimChange, ConfirmedSegments } from "../src/routing/confirmed-claims.ts";
import type { Placement, RouteRefusal } from "../src/routing/placement.ts";
import type { PodFacts } from "../src/routing/pod.ts";
import { Router } from "../src/routing/router.ts";
import type { RouterView } from "../src/routing/router-view.ts";
import { type LeaseKeeper, LeaseStub } from "./lease-stub.ts";
import { RouterStorage, type StorageView } from "./router-storage.ts";
import type {
  AdoptCall,
  AdoptReply,
  ListedPod,
  RouteCall,
  RoutedPod,
  RoutedRequest,
  RouteReply,
} from "./routing-rpc.ts";

const CHECKPOINT_MS = 1_000;
/** While leases are open but nothing changes, the alarm only looks for fallen ones. */
const SWEEP_MS = 5_000;
/** The list of pods that Workers keep to fall back on is made at most this often. */
const POD_LIST_MS = 1_000;

/** What a push's reply says, or that its numbers were taken before. */
export type IngestReply =
  | { readonly ok: true; readonly reply: PushReply }
  | { readonly ok: false; readonly reason: "push_replayed" };

/**
 * The one writer of a model's pods, leases and claims: RPC, storage and alarm around `Router`. Requests write no
 * storage; an alarm checkpoints what changed.
 */
export class ModelRouter extends DurableObject {
  readonly #router: Router;
  readonly #keeper: LeaseKeeper;
  readonly #storage: RouterStorage;
  #alarmArmed = false;
  #dirty = false;
  #podList: { readonly pods: readonly ListedPod[]; readonly madeAtMs: number } = { pods: [], madeAtMs: 0 };

  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env as Cloudflare.Env);
    const nowMs = Date.now();
    this.#router = new Router({ instance: crypto.randomUUID().slice(0, 13), random: Math.random, nowMs });
    this.#storage = new RouterStorage(ctx, nowMs);
    this.#storage.load(this.#router, nowMs);
    const router = this.#router;
    this.#keeper = {
      firstToken: (leaseId, waitMs) => router.firstToken(leaseId, waitMs, Date.now()),
      renew: (leaseId) => router.renew(leaseId, Date.now()),
      mayMove: ({ model, excludedPods }) => {
        const pods = this.#listPods(Date.now());
        return pods.some(({ id, servedModels }) => servedModels.includes(model) && !excludedPods.includes(id));
      },
      move: (leaseId, _call, explain) => replyOf(router.move(leaseId, Date.now()), explain),
      finish: (leaseId, outcome) => {
        router.finish(leaseId, outcome, Date.now());
        this.#changed();
      },
    };
  }

  /** Places a request and opens its lease. One billed request for the whole life of the lease. */
  route(call: RouteCall): RouteReply {
    const nowMs = Date.now();
    const { insteadOf, explain } = call;
    if (insteadOf !== undefined) {
      this.#router.finish(insteadOf.leaseId, { kind: "failed", podOutcome: insteadOf.podOutcome }, nowMs);
    }
    const placed = replyOf(placedElsewhere(this.#router, call, nowMs), explain);
    this.#changed();
    if (!placed.ok) return placed;
    const lease = new LeaseStub(this.#keeper, placed.leaseId, { explain, firstTokenSeen: false });
    return { ...placed, lease, ...(call.podsWanted === true && { pods: this.#listPods(nowMs) }) };
  }

  /** Takes over a lease that an earlier instance of this object opened. */
  adopt(call: AdoptCall): AdoptReply {
    if (!this.#router.adopt(call, Date.now())) return { ok: false };
    this.#changed();
    const { leaseId, firstTokenSeen } = call;
    return { ok: true, lease: new LeaseStub(this.#keeper, leaseId, { explain: false, firstTokenSeen }) };
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
    if (this.#router.leases > 0 || this.#router.keeper.isBehind) this.#armAlarm(SWEEP_MS);
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

  #listPods(nowMs: number): readonly ListedPod[] {
    if (nowMs - this.#podList.madeAtMs >= POD_LIST_MS) {
      const pods = this.#router.inspect().pods.filter(({ state }) => state === "ready");
      this.#podList = {
        pods: pods.map((pod) => ({ ...routedPod(pod), servedModels: pod.servedModels })),
        madeAtMs: nowMs,
      };
    }
    return this.#podList.pods;
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

/** Places a request, past the pods that failed it under a lease of an earlier instance. */
function placedElsewhere(router: Router, call: RouteCall, nowMs: number): Placement | RouteRefusal {
  const excluded = new Set(call.excludedPods);
  let placement = router.route(call, nowMs);
  while (placement.ok && excluded.has(placement.pod.id)) placement = router.move(placement.leaseId, nowMs);
  return placement;
}

function replyOf(placement: Placement | RouteRefusal, explain: boolean): RoutedRequest | RouteRefusal {
  if (!placement.ok) return placement;
  const { leaseId, promptTokens, matchedTokens, record } = placement;
  const pod = routedPod(placement.pod.facts);
  return { ok: true, leaseId, pod, promptTokens, matchedTokens, ...(explain && { record: record() }) };
}

function routedPod({ id, cluster, epoch, url, index }: PodFacts): RoutedPod {
  return { id, cluster, epoch, url, index };
}

function factsOf(cluster: ClusterName, pod: PodReport): PodFacts {
  const { epoch, url, state, servedModels, capacityTokens, maxModelLen, blockTokens } = pod;
  const { mode, reason } = pod.index ?? { mode: "approximate" as const, reason: "not_reported" };
  const id = podIdOf(cluster, pod.name);
  return {
    id,
    cluster,
    epoch,
    url,
    state,
    servedModels,
    capacityTokens,
    maxModelLen,
    blockTokens,
    index: { mode, reason },
  };
}

function changeOf(claim: PushedClaim): ClaimChange {
  switch (claim.kind) {
    case "clear":
    case "restate":
    case "doubt":
      return { kind: claim.kind };
    case "store":
      return { kind: "store", tier: claim.tier, segments: wordsOf(claim.segments), tokens: wordsOf(claim.tokens) };
    case "remove":
      return { kind: "remove", segments: wordsOf(claim.segments) };
    case "check":
      return { kind: "check", gpu: claim.gpu, host: claim.host };
  }
}

/** Little-endian 32-bit words. Copied: what MessagePack or RPC hands over need not be aligned. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer);
}

import { type ClaimChange, ConfirmedClaims } from "./confirmed-claims.ts";
import type { Pod } from "./pod.ts";
import { RECENT_CLAIM_BYTES } from "./recent-claims.ts";
import { type SpeculativeClaim, SpeculativeClaims, type SpeculativeLimits } from "./speculative-claims.ts";

/** What a look-up found for a pod. */
export type PodMatch = {
  /** Leading segments the pod is believed to hold. */
  readonly segments: number;
  /** Tokens in them: counted for those that events confirm, estimated for the rest. */
  readonly tokens: number;
  /** Those of them that events confirm, and the tokens counted in these. */
  readonly confirmedSegments: number;
  readonly confirmedTokens: number;
  /** Confirmed ones that are in a host tier only. */
  readonly hostSegments: number;
};

/** A claim that waits for its events: confirmed, it is settled; unconfirmed for too long, it is taken back. */
type Awaited = { readonly claim: SpeculativeClaim; readonly sinceMs: number };

/** Before any event was seen, how late they are taken to be. */
const ASSUMED_LAG_MS = 1_000;
const LEAST_PATIENCE_MS = 1_000;
const MOST_PATIENCE_MS = 15_000;
/** A claim lives this many event lags after its first token. */
const PATIENCE_LAGS = 3;
/** Weight of the newest observed lag. */
const LAG_WEIGHT = 0.1;

/**
 * All claims of a model's pods: confirmed by events, speculative from routing, and the hand-over between the two.
 */
export class PodClaims {
  readonly #confirmed: ConfirmedClaims;
  readonly #speculative: SpeculativeClaims;
  /** Claims that await their events, longest waiting first: all, and by pod. */
  readonly #awaited = new Set<Awaited>();
  readonly #awaitedByPod = new Map<string, Set<Awaited>>();
  readonly #mostBytes: number;
  #lagMs = ASSUMED_LAG_MS;

  constructor(limits: SpeculativeLimits & { readonly mostIndexBytes: number }, nowMs: number) {
    this.#speculative = new SpeculativeClaims(limits, nowMs);
    // What speculative claims do not use is free for confirmed ones.
    this.#mostBytes = limits.mostIndexBytes;
    this.#confirmed = new ConfirmedClaims(() => this.#mostBytes - this.#speculative.usedBytes);
  }

  /** Looks a prompt up; `found` answers for it until the next call. */
  match(segments: Uint32Array): void {
    this.#confirmed.match(segments);
    this.#speculative.match(segments, this.#confirmed.lastMatch);
  }

  /** What the last look-up found for a pod. `segmentTokens` estimates where no event has counted. */
  found(pod: Pod, segmentTokens: number): PodMatch {
    const confirmedSegments = this.#confirmed.depth(pod);
    const segments = Math.max(confirmedSegments, this.#speculative.depth(pod));
    const confirmedTokens = this.#confirmed.tokens(pod);
    return {
      segments,
      tokens: confirmedTokens + Math.floor((segments - confirmedSegments) * segmentTokens),
      confirmedSegments,
      confirmedTokens,
      hostSegments: this.#confirmed.hostSegments(pod),
    };
  }

  /** Claims a prompt for the pod it is sent to, after it was looked up. Undefined where events confirm it already. */
  claim(
    pod: Pod,
    segments: Uint32Array,
    capacitySegments: number,
    pods: number,
    nowMs: number,
  ): SpeculativeClaim | undefined {
    const confirmed = this.#confirmed.depth(pod);
    if (2 * confirmed >= segments.length) return undefined;
    // Where events are not all seen, what they confirmed may go unseen too: there a claim stands on its own.
    const start = pod.facts.index.mode === "exact" ? confirmed : 0;
    const claim = this.#speculative.claim(pod, segments, start, capacitySegments, pods, nowMs);
    this.#keepWithinBound(pod);
    return claim;
  }

  /** The claim's prefill did not happen. */
  takeBack(claim: SpeculativeClaim): void {
    this.#speculative.takeBack(claim);
  }

  /** The claim's prefill is done: where the pod's events are trusted, they take over from here. */
  settle(claim: SpeculativeClaim, nowMs: number): void {
    if (claim.pod.facts.index.mode !== "exact") return;
    const awaited = { claim, sinceMs: nowMs };
    this.#awaited.add(awaited);
    const ofPod = this.#awaitedByPod.get(claim.pod.id);
    if (ofPod === undefined) this.#awaitedByPod.set(claim.pod.id, new Set([awaited]));
    else ofPod.add(awaited);
  }

  /** Applies what a pod's events say. */
  apply(pod: Pod, change: ClaimChange): void {
    if (change.kind === "clear") this.#speculative.clearPod(pod);
    this.#confirmed.apply(pod, change);
  }

  /** Drops the claims of a pod that events have confirmed meanwhile. Called after a push's changes. */
  handOver(pod: Pod, nowMs: number): void {
    for (const awaited of this.#awaitedByPod.get(pod.id) ?? []) {
      if (!this.#isConfirmed(awaited.claim)) continue;
      this.#lagMs += LAG_WEIGHT * (nowMs - awaited.sinceMs - this.#lagMs);
      this.#speculative.confirm(awaited.claim);
      this.#forget(awaited);
    }
  }

  /** Takes back claims whose events did not come. */
  sweep(nowMs: number): void {
    const patienceMs = Math.min(MOST_PATIENCE_MS, Math.max(LEAST_PATIENCE_MS, PATIENCE_LAGS * this.#lagMs));
    for (const awaited of this.#awaited) {
      if (nowMs - awaited.sinceMs <= patienceMs) return;
      this.#speculative.expire(awaited.claim);
      this.#forget(awaited);
    }
  }

  /** The pod restarted or is gone: it holds nothing. */
  clearPod(pod: Pod): void {
    this.#confirmed.clearPod(pod);
    this.#speculative.clearPod(pod);
    for (const awaited of this.#awaitedByPod.get(pod.id) ?? []) this.#awaited.delete(awaited);
    this.#awaitedByPod.delete(pod.id);
  }

  /** A pod's claims, in segments. */
  podSizes(pod: Pod): { readonly confirmed: number; readonly host: number; readonly speculative: number } {
    const { segments, hostSegments } = this.#confirmed.podSizes(pod);
    return { confirmed: segments, host: hostSegments, speculative: this.#speculative.podSize(pod) };
  }

  get view() {
    return {
      confirmedClaims: this.#confirmed.size,
      speculativeClaims: this.#speculative.size,
      droppedClaims: this.#confirmed.dropped,
      eventLagMs: this.#lagMs,
      indexBytes: this.#confirmed.allocatedBytes + this.#speculative.allocatedBytes,
    };
  }

  #forget(awaited: Awaited): void {
    this.#awaited.delete(awaited);
    this.#awaitedByPod.get(awaited.claim.pod.id)?.delete(awaited);
  }

  #isConfirmed({ pod, segments }: SpeculativeClaim): boolean {
    const last = segments.length - 2;
    return last >= 0 && this.#confirmed.has(pod, segments, last);
  }

  /** After a pod has new speculative claims: host-tier claims make room for them, then the pod's own oldest. */
  #keepWithinBound(pod: Pod): void {
    let over = this.#confirmed.usedBytes + this.#speculative.usedBytes - this.#mostBytes;
    if (over <= 0) return;
    over -= this.#confirmed.giveWay(over);
    if (over <= 0) return;
    this.#speculative.evictDownTo(
      pod,
      Math.max(0, this.#speculative.podSize(pod) - Math.ceil(over / RECENT_CLAIM_BYTES)),
    );
  }
}

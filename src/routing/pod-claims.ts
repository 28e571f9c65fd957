import { PLAIN_CLAIM_BYTES, STAMPED_CLAIM_BYTES } from "./claim-table.ts";
import { type ClaimChange, ConfirmedClaims, type ConfirmedSegments } from "./confirmed-claims.ts";
import type { Pod } from "./pod.ts";
import { type SpeculativeClaim, SpeculativeClaims, type SpeculativeLimits } from "./speculative-claims.ts";

/** What a look-up found for a pod. */
export type PodMatch = {
  /** Leading segments the pod is believed to hold. */
  readonly segments: number;
  /**
   * Tokens that it is expected to hold: counted in the segments that events confirm, estimated in the others, and half a
   * segment more, since what it holds ends anywhere in the segment behind.
   */
  readonly tokens: number;
  /** Those of them that events confirm, and the tokens counted in these. */
  readonly confirmedSegments: number;
  readonly confirmedTokens: number;
  /** Confirmed ones that are in a host tier only. */
  readonly hostSegments: number;
};

/** A claim that bridges the time until its events: confirmed, it goes; unconfirmed for too long, it is taken back. */
type Bridge = {
  readonly claim: SpeculativeClaim;
  /** When its prefill was done; undefined while it goes on. */
  prefilledAtMs: number | undefined;
};

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
  /** By pod, in the order of routing. */
  readonly #bridges = new Map<string, Bridge[]>();
  #lagMs = ASSUMED_LAG_MS;

  constructor(limits: SpeculativeLimits & { readonly mostIndexBytes: number }, nowMs: number) {
    this.#speculative = new SpeculativeClaims(limits, nowMs);
    // What speculative claims do not use is free for confirmed ones.
    this.#confirmed = new ConfirmedClaims(() =>
      Math.floor((limits.mostIndexBytes - this.#speculative.size * STAMPED_CLAIM_BYTES) / PLAIN_CLAIM_BYTES),
    );
  }

  /** Looks a prompt up; `found` answers for it until the next call. */
  match(segments: Uint32Array): void {
    this.#confirmed.match(segments);
    this.#speculative.match(segments);
  }

  /** What the last look-up found for a pod. `segmentTokens` estimates where no event has counted. */
  found(pod: Pod, segmentTokens: number): PodMatch {
    const confirmedSegments = this.#confirmed.depth(pod);
    const segments = Math.max(confirmedSegments, this.#speculative.depth(pod));
    const confirmedTokens = this.#confirmed.tokens(pod);
    return {
      segments,
      tokens: segments === 0 ? 0 : confirmedTokens + (segments - confirmedSegments + 0.5) * segmentTokens,
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
    if (2 * this.#confirmed.depth(pod) >= segments.length) return undefined;
    const claim = this.#speculative.claim(pod, segments, capacitySegments, pods, nowMs);
    // Where the pod's events are trusted, they take over as soon as they are there.
    if (pod.facts.index.mode === "exact") {
      const bridge = { claim, prefilledAtMs: undefined };
      const bridges = this.#bridges.get(pod.id);
      if (bridges === undefined) this.#bridges.set(pod.id, [bridge]);
      else bridges.push(bridge);
    }
    return claim;
  }

  /** The claim's prefill did not happen. */
  takeBack(claim: SpeculativeClaim): void {
    const bridges = this.#bridges.get(claim.pod.id) ?? [];
    const left = bridges.filter((bridge) => bridge.claim !== claim);
    if (left.length === bridges.length) this.#speculative.takeBack(claim);
    else this.#drop(claim.pod, [claim], left);
  }

  /** What was guessed of the pod is over: its events tell what it holds from now on. */
  trust(pod: Pod): void {
    this.#speculative.clearPod(pod);
    this.#bridges.delete(pod.id);
  }

  /** The claim's prefill is done: its events are due. */
  settle(claim: SpeculativeClaim, nowMs: number): void {
    const bridge = this.#bridges.get(claim.pod.id)?.find((one) => one.claim === claim);
    if (bridge !== undefined) bridge.prefilledAtMs ??= nowMs;
  }

  /** What a pod's events confirm. */
  confirmedOf(pod: Pod): ConfirmedSegments {
    return this.#confirmed.segmentsOf(pod);
  }

  /** Applies what a pod's events say. */
  apply(pod: Pod, change: ClaimChange, nowMs: number): void {
    if (change.kind === "clear") this.trust(pod);
    // Most of what was in the cache a moment ago still is: as a guess it is worth a lot.
    if (change.kind === "doubt") this.#speculative.takeOver(pod, (visit) => this.#confirmed.forEach(pod, visit), nowMs);
    this.#confirmed.apply(pod, change);
    // At once: a removal behind the store, in the same push, must not leave the bridge standing.
    if (change.kind === "store") this.#handOver(pod, nowMs);
    // Where events are not all there is, guesses stand beside them, but not against them.
    else if (change.kind === "remove" && pod.facts.index.mode === "mixed") {
      this.#speculative.drop(pod, change.segments, 0);
    }
  }

  /** Takes back claims whose events did not come. */
  sweep(nowMs: number): void {
    const patienceMs = Math.min(MOST_PATIENCE_MS, Math.max(LEAST_PATIENCE_MS, PATIENCE_LAGS * this.#lagMs));
    for (const bridges of this.#bridges.values()) {
      const isOverdue = ({ prefilledAtMs }: Bridge) =>
        prefilledAtMs !== undefined && nowMs - prefilledAtMs > patienceMs;
      const overdue = bridges.filter(isOverdue).map(({ claim }) => claim);
      const [first] = overdue;
      if (first !== undefined)
        this.#drop(
          first.pod,
          overdue,
          bridges.filter((bridge) => !isOverdue(bridge)),
        );
    }
  }

  /** The pod restarted or is gone: it holds nothing. */
  clearPod(pod: Pod): void {
    this.#confirmed.clearPod(pod);
    this.#speculative.clearPod(pod);
    this.#bridges.delete(pod.id);
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

  /** Drops the claims of a pod that events confirm now. */
  #handOver(pod: Pod, nowMs: number): void {
    const bridges = this.#bridges.get(pod.id);
    if (bridges === undefined || bridges.length === 0) return;
    const confirmed = bridges.filter(({ claim }) => this.#isConfirmed(claim));
    if (confirmed.length === 0) return;
    for (const { prefilledAtMs } of confirmed) {
      if (prefilledAtMs !== undefined) this.#lagMs += LAG_WEIGHT * (nowMs - prefilledAtMs - this.#lagMs);
    }
    const left = bridges.filter((bridge) => !confirmed.includes(bridge));
    this.#drop(
      pod,
      confirmed.map(({ claim }) => claim),
      left,
    );
  }

  /** Drops claims but for the beginnings that they share with those that are left. */
  #drop(pod: Pod, claims: readonly SpeculativeClaim[], left: Bridge[]): void {
    if (left.length === 0) this.#bridges.delete(pod.id);
    else this.#bridges.set(pod.id, left);
    for (const { segments } of claims) {
      const shared = left.reduce((most, { claim }) => Math.max(most, sharedSegments(segments, claim.segments)), 0);
      this.#speculative.drop(pod, segments, shared);
    }
  }

  /** The last segment can end in a block that is not full yet: with the one before it, all that can be is announced. */
  #isConfirmed({ pod, segments }: SpeculativeClaim): boolean {
    const last = Math.max(0, segments.length - 4);
    return segments.length > 0 && this.#confirmed.has(pod, segments[last] as number, segments[last + 1] as number);
  }
}

/** Leading segments that two prompts share. A segment's hash covers all before it: equal ones have equal beginnings. */
function sharedSegments(one: Uint32Array, other: Uint32Array): number {
  let [from, to] = [0, Math.min(one.length, other.length) / 2];
  while (from < to) {
    const middle = (from + to) >>> 1;
    const isSame = one[2 * middle] === other[2 * middle] && one[2 * middle + 1] === other[2 * middle + 1];
    if (isSame) from = middle + 1;
    else to = middle;
  }
  return from;
}

import { ClaimBridges } from "./claim-bridges.ts";
import { ClaimTrust, type Remedy } from "./claim-trust.ts";
import { type ClaimChange, ConfirmedClaims, type ConfirmedSegments } from "./confirmed-claims.ts";
import { KEPT_CLAIM_BYTES, KEPT_GUESS_BYTES, type KeptClaims, MOST_KEPT_CLAIMS } from "./kept-claims.ts";
import type { Pod } from "./pod.ts";
import type { PodColumns } from "./pod-columns.ts";
import { PodMatches } from "./pod-matches.ts";
import { RECENT_CLAIM_BYTES } from "./recent-claims.ts";
import { type SpeculativeClaim, SpeculativeClaims, type SpeculativeLimits } from "./speculative-claims.ts";

/** A pod's claims, in segments: `host` are those of the confirmed ones that are in a host tier only. */
export type PodClaimSizes = {
  readonly confirmed: number;
  readonly host: number;
  readonly doubted: number;
  readonly speculative: number;
};

/**
 * All claims of a model's pods: confirmed by events, speculative from routing, and the hand-over between the two. Changes
 * apply to confirmed claims in doubt too, which count as guesses (see claim-trust.ts).
 */
export class PodClaims {
  readonly #confirmed: ConfirmedClaims;
  readonly #speculative: SpeculativeClaims;
  readonly #bridges: ClaimBridges;
  readonly #trust = new ClaimTrust();
  readonly #matches = new PodMatches();
  /** Pods whose claims are not those that were last kept of them. */
  readonly #changed = new Set<string>();
  readonly #mostBytes: number;

  constructor(limits: SpeculativeLimits & { readonly mostIndexBytes: number }, nowMs: number) {
    this.#speculative = new SpeculativeClaims(limits, nowMs);
    this.#bridges = new ClaimBridges(this.#speculative);
    // What speculative claims do not use is free for confirmed ones.
    this.#mostBytes = limits.mostIndexBytes;
    this.#confirmed = new ConfirmedClaims(() => this.#mostBytes - this.#speculative.usedBytes);
  }

  /** Looks a prompt up; `matchesOf` answers for it until the next call. */
  match(segments: Uint32Array): void {
    this.#confirmed.match(segments);
    this.#speculative.match(segments, this.#confirmed.lastMatch);
  }

  /**
   * What the last look-up found for pods; good until the next call. `segmentTokens` estimates where no event has
   * counted.
   */
  matchesOf({ pods, slots, exact }: PodColumns, segmentTokens: number): PodMatches {
    const matches = this.#matches;
    const { segments, tokens, confirmedSegments } = matches.begin(pods.length);
    const { depths, words } = this.#confirmed.lastMatch;
    const guessed = this.#speculative.depths;
    const anyDoubt = this.#trust.anyDoubt;
    let [mostCounted, mostTokens] = [0, 0];
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i] as number;
      const counted = depths[slot] as number;
      const held = Math.max(counted, guessed[slot] as number);
      const countedTokens = counted === 0 ? 0 : (words[slot] as number);
      segments[i] = held;
      confirmedSegments[i] = counted;
      tokens[i] = 0;
      if (held === 0) continue;
      const expected = countedTokens + (held - counted + 0.5) * segmentTokens;
      tokens[i] = exact[i] === 1 ? expected : expected * (pods[i] as Pod).hitYield;
      if (anyDoubt && this.#trust.isDoubted(pods[i] as Pod)) {
        confirmedSegments[i] = 0;
      } else if (counted > mostCounted) {
        mostCounted = counted;
        mostTokens = countedTokens;
      }
    }
    matches.count(mostCounted, mostTokens);
    const { gpuDepths } = this.#confirmed;
    if (gpuDepths === undefined) matches.noHost();
    else matches.countHost(slots, depths, gpuDepths);
    return matches;
  }

  /** Claims a prompt for the pod it is sent to, after it was looked up. Undefined where events confirm it already. */
  claim(
    pod: Pod,
    segments: Uint32Array,
    capacitySegments: number,
    pods: number,
    nowMs: number,
  ): SpeculativeClaim | undefined {
    const confirmed = this.#trust.isDoubted(pod) ? 0 : this.#confirmed.depth(pod);
    if (2 * confirmed >= segments.length) return undefined;
    // Where events are not all seen, what they confirmed may go unseen too: there a claim stands on its own.
    const start = pod.facts.index.mode === "exact" ? confirmed : 0;
    const claim = this.#speculative.claim(pod, segments, start, capacitySegments, pods, nowMs);
    this.#keepWithinBound(pod);
    if (pod.facts.index.mode === "exact") this.#bridges.open(claim);
    else this.#changed.add(pod.id);
    return claim;
  }

  /** The claim's prefill did not happen. */
  takeBack(claim: SpeculativeClaim): void {
    if (!this.#bridges.takeBack(claim)) this.#speculative.takeBack(claim);
  }

  /** The claim's prefill is done: where the pod's events are trusted, they are due. */
  settle(claim: SpeculativeClaim, nowMs: number): void {
    this.#bridges.settle(claim, nowMs);
  }

  /** What was guessed of the pod is over: its events tell what it holds from now on. */
  trust(pod: Pod): void {
    this.#speculative.clearPod(pod);
    this.#bridges.clearPod(pod);
  }

  /** What a pod's events confirm. */
  confirmedOf(pod: Pod): ConfirmedSegments {
    if (this.#trust.isDoubted(pod)) return { gpu: new Uint32Array(0), host: new Uint32Array(0) };
    return this.#confirmed.segmentsOf(pod);
  }

  /** Changes of the pod's claims may be missing: they are in doubt. */
  doubt(pod: Pod): void {
    this.#trust.doubt(pod, this.#confirmed.podSizes(pod).segments > 0);
  }

  /** What makes sure of a pod's claims; undefined where they are. */
  remedyFor(pod: Pod): Remedy | undefined {
    return this.#trust.remedyFor(pod);
  }

  /** Pods, by id, whose claims are not those that were last kept of them. */
  get changed(): ReadonlySet<string> {
    return this.#changed;
  }

  /** Bytes of `keep`, about. */
  keptBytes(pod: Pod): number {
    const { segments } = this.#confirmed.podSizes(pod);
    return KEPT_CLAIM_BYTES * segments + KEPT_GUESS_BYTES * this.#speculative.podSize(pod);
  }

  /** What is kept of a pod over a restart, now that it is. */
  keep(pod: Pod): KeptClaims {
    this.#changed.delete(pod.id);
    const { gpu, host } = this.#confirmed.copyOf(pod, MOST_KEPT_CLAIMS);
    const room = MOST_KEPT_CLAIMS - gpu.words.length - host.words.length;
    // Where events are trusted, guesses are gone in seconds.
    const guesses = this.#speculative.newestOf(pod, pod.facts.index.mode === "exact" ? 0 : room);
    return { gpu, host, guesses };
  }

  /** What is kept of a pod is void. */
  outdated(podId: string): void {
    this.#changed.add(podId);
  }

  /** The pod is gone, and nothing is kept of it any more. */
  forget(podId: string): void {
    this.#changed.delete(podId);
  }

  /** Takes up what was kept of a pod before a restart, in doubt. */
  restore(pod: Pod, { gpu, host, guesses }: KeptClaims, nowMs: number): void {
    this.#confirmed.apply(pod, { kind: "store", tier: "gpu", segments: gpu.segments, tokens: gpu.words });
    this.#confirmed.apply(pod, { kind: "store", tier: "host", segments: host.segments, tokens: host.words });
    this.#speculative.takeOver(pod, guesses, nowMs);
    this.doubt(pod);
  }

  /** Applies what a pod's events say. */
  apply(pod: Pod, change: ClaimChange, nowMs: number): void {
    if (change.kind === "check") {
      this.#trust.check(pod, this.#confirmed.podDigests(pod), change);
      return;
    }
    this.#changed.add(pod.id);
    if (change.kind === "clear") this.trust(pod);
    // Most of what was in the cache a moment ago still is: as a guess it is worth a lot.
    if (change.kind === "doubt") {
      const { gpu, host } = this.#confirmed.segmentsOf(pod);
      for (const segments of [host, gpu]) this.#speculative.takeOver(pod, segments, nowMs);
    }
    this.#confirmed.apply(pod, change);
    if (change.kind === "clear" || change.kind === "restate" || change.kind === "doubt") this.#trust.settle(pod);
    // At once: a removal behind the store, in the same push, must not leave the bridge standing.
    if (change.kind === "store") this.#handOver(pod, nowMs);
    // Where events are not all there is, guesses stand beside them, but not against them.
    else if (change.kind === "remove" && pod.facts.index.mode === "mixed") {
      this.#speculative.drop(pod, change.segments, 0, change.segments.length / 2);
    }
  }

  /** Takes back claims whose events did not come. */
  sweep(nowMs: number): void {
    this.#bridges.sweep(nowMs);
  }

  /** The pod restarted or is gone: it holds nothing. */
  clearPod(pod: Pod): void {
    this.#confirmed.clearPod(pod);
    this.trust(pod);
    this.#trust.settle(pod);
    this.#changed.add(pod.id);
  }

  /** A pod's claims, in segments. */
  podSizes(pod: Pod): PodClaimSizes {
    const { segments, hostSegments } = this.#confirmed.podSizes(pod);
    const speculative = this.#speculative.podSize(pod);
    if (this.#trust.isDoubted(pod)) return { confirmed: 0, host: 0, doubted: segments, speculative };
    return { confirmed: segments, host: hostSegments, doubted: 0, speculative };
  }

  get view() {
    let doubtedClaims = 0;
    for (const pod of this.#trust.unsure) doubtedClaims += this.podSizes(pod).doubted;
    return {
      confirmedClaims: this.#confirmed.size - doubtedClaims,
      doubtedClaims,
      speculativeClaims: this.#speculative.size,
      droppedClaims: this.#confirmed.dropped,
      eventLagMs: this.#bridges.lagMs,
      indexBytes: this.#confirmed.allocatedBytes + this.#speculative.allocatedBytes,
    };
  }

  #handOver(pod: Pod, nowMs: number): void {
    if (!this.#trust.isDoubted(pod)) this.#bridges.handOver(pod, (claim) => this.#isConfirmed(claim), nowMs);
  }

  /** The last segment can end in a block that is not full yet: with the one before it, all that can be is announced. */
  #isConfirmed({ pod, segments }: SpeculativeClaim): boolean {
    return segments.length > 0 && this.#confirmed.has(pod, segments, Math.max(0, segments.length - 4));
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

import { NIL } from "./claim-pages.ts";
import type { Pod } from "./pod.ts";
import { PrefixMatcher } from "./prefix-match.ts";
import { RecentClaims } from "./recent-claims.ts";

/** What one request claimed: the segments of its prompt from `start` on. */
export type SpeculativeClaim = {
  readonly pod: Pod;
  readonly segments: Uint32Array;
  /** Segments before this one are confirmed. */
  readonly start: number;
  /** Segments before this one were claimed by others already. */
  readonly from: number;
  readonly stamp: number;
};

export type SpeculativeLimits = {
  /** Claims kept over all pods. */
  readonly mostClaims: number;
  /** A claim nobody touched for this long is dropped. */
  readonly ttlMs: number;
};

/**
 * Claims made when a request is sent: its pod will hold the prompt's segments once it has prefilled them.
 *
 * Where a pod's KV events are trusted they only bridge the time until the events arrive: `settle` gives each an end.
 * Elsewhere they are all there is, bounded per pod by what its cache can hold: least recently used first, the tails of
 * prompts before their heads, as engines evict.
 */
export class SpeculativeClaims {
  /** A claim's word is its stamp. */
  readonly #claims = new RecentClaims("by pod");
  readonly #matcher = new PrefixMatcher([this.#claims.table]);
  readonly #limits: SpeculativeLimits;
  readonly #bornMs: number;
  #lastStamp = 0;

  constructor(limits: SpeculativeLimits, nowMs: number) {
    this.#limits = limits;
    this.#bornMs = nowMs;
  }

  get size(): number {
    return this.#claims.table.size;
  }

  get allocatedBytes(): number {
    return this.#claims.allocatedBytes;
  }

  get usedBytes(): number {
    return this.#claims.usedBytes;
  }

  podSize(pod: Pod): number {
    return this.#claims.table.podSize(pod.slot);
  }

  /** Looks up how far pods go on from where their confirmed claims end; `depth` answers for it until the next call. */
  match(segments: Uint32Array, confirmed: PrefixMatcher): void {
    this.#matcher.extend(confirmed, segments);
  }

  /**
   * Leading segments of the last looked-up prompt that the pod is believed to hold, confirmed ones included. 0 where
   * there are no more than those.
   */
  depth(pod: Pod): number {
    return this.#matcher.depth(pod.slot);
  }

  /** The same by slot. */
  get depths(): Uint32Array {
    return this.#matcher.depths;
  }

  /**
   * Claims the segments of a prompt from `start` on for a pod, after `depth` was looked up for it. The pod keeps
   * `capacitySegments` claims at most.
   */
  claim(
    pod: Pod,
    segments: Uint32Array,
    start: number,
    capacitySegments: number,
    pods: number,
    nowMs: number,
  ): SpeculativeClaim {
    const from = Math.max(start, this.depth(pod));
    const stamp = this.#nextStamp(nowMs);
    // Deepest first, so that in the pod's recency order the head of a prompt outlives its tail.
    for (let at = segments.length - 2; at >= 2 * start; at -= 2) this.#claims.touch(segments, at, pod.slot, stamp);
    const share = Math.floor(this.#limits.mostClaims / Math.max(1, pods));
    this.#evictStampsBelow(pod, stamp - this.#limits.ttlMs);
    this.evictDownTo(pod, Math.min(capacitySegments, share));
    return { pod, segments, start, from, stamp };
  }

  /** The prefill did not happen: takes back what this claim brought and nobody has touched since. */
  takeBack({ pod, segments, from, stamp }: SpeculativeClaim): void {
    for (let at = 2 * from; at < segments.length; at += 2) {
      const claim = this.#claims.table.find(segments, at, pod.slot);
      if (claim !== NIL && this.#claims.table.word(claim) === stamp) this.#claims.delete(claim);
    }
  }

  /** Drops claims of a prompt's segments `from` up to `to`, whoever made or touched them. */
  drop(pod: Pod, segments: Uint32Array, from: number, to: number): void {
    for (let at = 2 * from; at < 2 * to; at += 2) this.#claims.remove(segments, at, pod.slot);
  }

  /** Claims segments that were known of a pod, parents first: the heads of prompts are to outlive their tails. */
  takeOver(pod: Pod, segments: Uint32Array, nowMs: number): void {
    const stamp = this.#nextStamp(nowMs);
    for (let at = segments.length - 2; at >= 0; at -= 2) this.#claims.touch(segments, at, pod.slot, stamp);
  }

  /** What is believed of a pod, the last touched segments first, `most` of them. */
  newestOf(pod: Pod, most: number): Uint32Array {
    return this.#claims.newestSegments(pod.slot, most);
  }

  /** Removes the claims of a pod that nobody touched for longest, down to `keep` of them. */
  evictDownTo(pod: Pod, keep: number): void {
    while (this.podSize(pod) > keep) this.#claims.delete(this.#claims.oldest(pod.slot));
  }

  /** The pod's cache is empty: takes back all of its claims. Returns how many there were. */
  clearPod(pod: Pod): number {
    return this.#claims.clearPod(pod.slot);
  }

  #evictStampsBelow(pod: Pod, minimum: number): void {
    for (let claim = this.#claims.oldest(pod.slot); claim !== NIL; claim = this.#claims.oldest(pod.slot)) {
      if (this.#claims.table.word(claim) >= minimum) return;
      this.#claims.delete(claim);
    }
  }

  /**
   * Milliseconds since the start, but never twice the same: a stamp names one claim. 32 bits of it last 49 days, and
   * every deploy starts anew.
   */
  #nextStamp(nowMs: number): number {
    this.#lastStamp = Math.max(this.#lastStamp + 1, Math.floor(nowMs - this.#bornMs));
    return this.#lastStamp;
  }
}

import { ClaimTable } from "./claim-table.ts";
import type { Pod } from "./pod.ts";
import { PrefixMatcher } from "./prefix-match.ts";

/** What one request claimed, to be taken back if its prefill never happens. */
export type SpeculativeClaim = {
  readonly pod: Pod;
  readonly segments: Uint32Array;
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
  readonly #table = new ClaimTable({ stamped: true });
  readonly #matcher = new PrefixMatcher(this.#table);
  readonly #limits: SpeculativeLimits;
  readonly #bornMs: number;
  #lastStamp = 0;

  constructor(limits: SpeculativeLimits, nowMs: number) {
    this.#limits = limits;
    this.#bornMs = nowMs;
  }

  get size(): number {
    return this.#table.size;
  }

  get allocatedBytes(): number {
    return this.#table.allocatedBytes;
  }

  podSize(pod: Pod): number {
    return this.#table.podSize(pod.slot);
  }

  /** Looks a prompt up; `depth` answers for it until the next call. */
  match(segments: Uint32Array): void {
    this.#matcher.match(segments);
  }

  /** Leading segments of the last looked-up prompt that the pod is believed to hold. */
  depth(pod: Pod): number {
    return this.#matcher.depth(pod.slot);
  }

  /** Claims a prompt for a pod, after `depth` was looked up for it. `capacitySegments` bounds the pod's claims. */
  claim(pod: Pod, segments: Uint32Array, capacitySegments: number, pods: number, nowMs: number): SpeculativeClaim {
    const from = this.depth(pod);
    const stamp = this.#nextStamp(nowMs);
    // Deepest first, so that in the pod's recency order the head of a prompt outlives its tail.
    for (let i = segments.length - 2; i >= 0; i -= 2) {
      this.#table.put(segments[i] as number, segments[i + 1] as number, pod.slot, 0, stamp);
    }
    const share = Math.floor(this.#limits.mostClaims / Math.max(1, pods));
    this.#table.evictStampsBelow(pod.slot, stamp - this.#limits.ttlMs);
    this.#table.evictDownTo(pod.slot, Math.min(capacitySegments, share));
    return { pod, segments, from, stamp };
  }

  /** The prefill did not happen: takes back what this claim brought and nobody has touched since. */
  takeBack({ pod, segments, from, stamp }: SpeculativeClaim): void {
    for (let i = 2 * from; i < segments.length; i += 2) {
      this.#table.remove(segments[i] as number, segments[i + 1] as number, pod.slot, stamp);
    }
  }

  /**
   * Claims segments that were known of a pod. `forEach` visits them children first: in the order of recency the heads of
   * prompts then outlive their tails.
   */
  takeOver(pod: Pod, forEach: (visit: (low: number, high: number) => void) => void, nowMs: number): void {
    const stamp = this.#nextStamp(nowMs);
    forEach((low, high) => this.#table.put(low, high, pod.slot, 0, stamp));
    this.#table.evictDownTo(pod.slot, this.#limits.mostClaims);
  }

  /** Drops a prompt's claims from a segment on, whoever made or touched them. */
  drop(pod: Pod, segments: Uint32Array, from: number): void {
    for (let i = segments.length - 2; i >= 2 * from; i -= 2) {
      this.#table.remove(segments[i] as number, segments[i + 1] as number, pod.slot);
    }
  }

  /** The pod's cache is empty: takes back all of its claims. Returns how many there were. */
  clearPod(pod: Pod): number {
    return this.#table.clearPod(pod.slot);
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

import { ClaimTable } from "./claim-table.ts";
import type { Pod } from "./pod.ts";
import { PrefixMatcher } from "./prefix-match.ts";

/** Where a pod keeps a segment's KV cache. Only `gpu` is free to use; `host` has to be brought back first. */
export type ClaimTier = "gpu" | "host";

/**
 * One ordered change of what a pod holds, as its collector derived it from KV events: set semantics, per segment the
 * best tier that has it. `segments` are pairs of low and high words; `tokens[i]` counts the prompt's tokens up to and
 * including segment i.
 */
export type ClaimChange =
  /** The cache is empty. */
  | { readonly kind: "clear" }
  /** All that holds follows. */
  | { readonly kind: "restate" }
  /** Nobody can tell any more which claims hold. */
  | { readonly kind: "doubt" }
  | { readonly kind: "store"; readonly tier: ClaimTier; readonly segments: Uint32Array; readonly tokens: Uint32Array }
  | { readonly kind: "remove"; readonly segments: Uint32Array };

/** Segments by the best tier that has them, as pairs of low and high words. */
export type ConfirmedSegments = Readonly<Record<ClaimTier, Uint32Array>>;

/**
 * What pods hold by the word of their engines. Claims are prefix-closed per pod: the collector withholds what lies
 * behind a hole. Bounded: past `mostClaims()` a store is dropped and counted, host-tier claims making room first.
 */
export class ConfirmedClaims {
  readonly #present = new ClaimTable({ stamped: false });
  /** The part of `present` that is in a host tier only. */
  readonly #hostOnly = new ClaimTable({ stamped: false });
  readonly #matcher = new PrefixMatcher(this.#present);
  readonly #mostClaims: () => number;
  #segments: Uint32Array = new Uint32Array(0);
  #dropped = 0;

  constructor(mostClaims: () => number) {
    this.#mostClaims = mostClaims;
  }

  get size(): number {
    return this.#present.size;
  }

  get allocatedBytes(): number {
    return this.#present.allocatedBytes + this.#hostOnly.allocatedBytes;
  }

  /** Stores that found no room. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Segments of a pod: in all, and those in a host tier only. */
  podSizes(pod: Pod): { readonly segments: number; readonly hostSegments: number } {
    return { segments: this.#present.podSize(pod.slot), hostSegments: this.#hostOnly.podSize(pod.slot) };
  }

  /** Calls `visit` with every segment of a pod, the latest stored first. */
  forEach(pod: Pod, visit: (low: number, high: number) => void): void {
    this.#present.forEach(pod.slot, visit);
  }

  /** A pod's segments by their best tier, as pairs of low and high words. */
  segmentsOf(pod: Pod): ConfirmedSegments {
    const { segments, hostSegments } = this.podSizes(pod);
    const found = { gpu: new Uint32Array(2 * (segments - hostSegments)), host: new Uint32Array(2 * hostSegments) };
    const at = { gpu: 0, host: 0 };
    this.#present.forEach(pod.slot, (low, high) => {
      const tier = this.#hostOnly.has(low, high, pod.slot) ? "host" : "gpu";
      found[tier][at[tier]++] = low;
      found[tier][at[tier]++] = high;
    });
    return found;
  }

  /** Applies a change to a pod's claims. */
  apply(pod: Pod, change: ClaimChange): void {
    switch (change.kind) {
      case "clear":
      case "restate":
      case "doubt":
        this.clearPod(pod);
        return;
      case "store":
        this.#store(pod, change.tier, change.segments, change.tokens);
        return;
      case "remove":
        this.#remove(pod, change.segments);
        return;
    }
  }

  /** Takes back all claims of a pod. Returns how many there were. */
  clearPod(pod: Pod): number {
    this.#hostOnly.clearPod(pod.slot);
    return this.#present.clearPod(pod.slot);
  }

  /** Whether a pod holds a segment, in any tier. */
  has(pod: Pod, low: number, high: number): boolean {
    return this.#present.has(low, high, pod.slot);
  }

  /** Looks a prompt up; `depth`, `tokens` and `hostSegments` answer for it until the next call. */
  match(segments: Uint32Array): void {
    this.#segments = segments;
    this.#matcher.match(segments);
  }

  /** Leading segments of the last looked-up prompt that the pod holds. */
  depth(pod: Pod): number {
    return this.#matcher.depth(pod.slot);
  }

  /** Tokens in those segments. */
  tokens(pod: Pod): number {
    return this.#matcher.tokens(pod.slot);
  }

  /** How many of those segments are in a host tier only. */
  hostSegments(pod: Pod): number {
    if (this.#hostOnly.podSize(pod.slot) === 0) return 0;
    let count = 0;
    for (let i = 0; i < 2 * this.depth(pod); i += 2) {
      if (this.#hostOnly.has(this.#segments[i] as number, this.#segments[i + 1] as number, pod.slot)) count++;
    }
    return count;
  }

  #store(pod: Pod, tier: ClaimTier, segments: Uint32Array, tokens: Uint32Array): void {
    for (let i = 0; i < tokens.length; i++) {
      const low = segments[2 * i] as number;
      const high = segments[2 * i + 1] as number;
      if (this.#present.size >= this.#mostClaims() && !this.#present.has(low, high, pod.slot) && !this.#makeRoom(pod)) {
        this.#dropped++;
        continue;
      }
      this.#present.put(low, high, pod.slot, tokens[i] as number);
      if (tier === "host") this.#hostOnly.put(low, high, pod.slot, 0);
      else this.#hostOnly.remove(low, high, pod.slot);
    }
  }

  #remove(pod: Pod, segments: Uint32Array): void {
    for (let i = 0; i < segments.length; i += 2) {
      const low = segments[i] as number;
      const high = segments[i + 1] as number;
      this.#present.remove(low, high, pod.slot);
      this.#hostOnly.remove(low, high, pod.slot);
    }
  }

  /** Gives up the pod's oldest host-tier claim. False if it has none. */
  #makeRoom(pod: Pod): boolean {
    const oldest = this.#hostOnly.oldest(pod.slot);
    if (oldest === undefined) return false;
    this.#present.remove(oldest.low, oldest.high, pod.slot);
    this.#hostOnly.remove(oldest.low, oldest.high, pod.slot);
    return true;
  }
}

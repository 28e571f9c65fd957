import type { ClaimDigest } from "./claim-digest.ts";
import { CLAIM_ID_BITS, NIL } from "./claim-pages.ts";
import { CLAIM_BYTES, ClaimTable, type CopiedClaims } from "./claim-table.ts";
import type { Pod } from "./pod.ts";
import { PrefixMatcher } from "./prefix-match.ts";
import { RECENT_CLAIM_BYTES, RecentClaims } from "./recent-claims.ts";

const CLAIM_ID_SPAN = 2 ** CLAIM_ID_BITS;

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
  | { readonly kind: "remove"; readonly segments: Uint32Array }
  /** What all of the pod's claims sum to now. */
  | { readonly kind: "check"; readonly gpu: ClaimDigest; readonly host: ClaimDigest };

/** Segments by the best tier that has them, as pairs of low and high words, parents first. */
export type ConfirmedSegments = Readonly<Record<ClaimTier, Uint32Array>>;

/** Sees one claim: its segment's hash words, the tokens up to it, and the tier. */
export type ClaimVisitor = (low: number, high: number, tokens: number, tier: ClaimTier) => void;

/**
 * What pods hold by the word of their engines. Claims are prefix-closed per pod: the collector withholds what lies
 * behind a hole. A claim is in one tier, the best its pod has the segment in.
 *
 * Bounded: past `mostBytes()` the oldest host-tier claims of all pods make room, and a store that finds none is dropped
 * and counted. What is dropped or gives way is only forgotten: a match can then be too short, never wrong.
 */
export class ConfirmedClaims {
  readonly #gpu = new ClaimTable();
  readonly #host = new RecentClaims("all together");
  readonly #gpuMatcher = new PrefixMatcher([this.#gpu]);
  readonly #matcher = new PrefixMatcher([this.#gpu, this.#host.table]);
  /** The matcher that answers for the last look-up: without host-tier claims the one of the GPU tier is enough. */
  #answering = this.#gpuMatcher;
  readonly #mostBytes: () => number;
  #dropped = 0;
  #gaveWay = 0;

  constructor(mostBytes: () => number) {
    this.#mostBytes = mostBytes;
  }

  get size(): number {
    return this.#gpu.size + this.#host.table.size;
  }

  get allocatedBytes(): number {
    return this.#gpu.allocatedBytes + this.#host.allocatedBytes;
  }

  get usedBytes(): number {
    return this.#gpu.usedBytes + this.#host.usedBytes;
  }

  /** Stores that found no room. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Host-tier claims that made room for others. */
  get gaveWay(): number {
    return this.#gaveWay;
  }

  /** Segments of a pod: in all, and those in a host tier only. */
  podSizes(pod: Pod): { readonly segments: number; readonly hostSegments: number } {
    const hostSegments = this.#host.table.podSize(pod.slot);
    return { segments: this.#gpu.podSize(pod.slot) + hostSegments, hostSegments };
  }

  /** What a pod holds in each tier, as sums to compare with its collector's. Token counts are not in them. */
  podDigests(pod: Pod): { readonly gpu: ClaimDigest; readonly host: ClaimDigest } {
    return { gpu: this.#gpu.podDigest(pod.slot), host: this.#host.table.podDigest(pod.slot) };
  }

  /**
   * Shows all claims of a pod, parents before their children as far as token counts tell: a segment whose tokens all
   * began before it counts as many as its parent. Nothing may change meanwhile.
   */
  forEachClaim(pod: Pod, visit: ClaimVisitor): void {
    for (const [table, tier] of [
      [this.#gpu, "gpu"],
      [this.#host.table, "host"],
    ] as const) {
      const claims = table.podClaims(pod.slot);
      // The count of tokens above the claim's number, in one float each: sorted natively, without a comparison function.
      const keys = Float64Array.from(claims, (claim) => table.word(claim) * CLAIM_ID_SPAN + claim).sort();
      for (const key of keys) {
        const claim = key % CLAIM_ID_SPAN;
        visit(table.low(claim), table.high(claim), table.word(claim), tier);
      }
    }
  }

  /** A pod's segments by their best tier. */
  segmentsOf(pod: Pod): ConfirmedSegments {
    const { segments, hostSegments } = this.podSizes(pod);
    const found = { gpu: new Uint32Array(2 * (segments - hostSegments)), host: new Uint32Array(2 * hostSegments) };
    const at = { gpu: 0, host: 0 };
    this.forEachClaim(pod, (low, high, _, tier) => {
      found[tier][at[tier]++] = low;
      found[tier][at[tier]++] = high;
    });
    return found;
  }

  /** A copy of a pod's claims, `most` of them, those of the GPU tier before the others. */
  copyOf(pod: Pod, most: number): Readonly<Record<ClaimTier, CopiedClaims>> {
    const gpu = this.#gpu.copyPod(pod.slot, most);
    return { gpu, host: this.#host.table.copyPod(pod.slot, most - gpu.words.length) };
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
        if (change.tier === "gpu") this.#storeInGpu(pod, change.segments, change.tokens);
        else this.#storeInHost(pod, change.segments, change.tokens);
        return;
      case "remove":
        this.#remove(pod, change.segments);
        return;
      case "check":
        return;
    }
  }

  /** Takes back all claims of a pod. Returns how many there were. */
  clearPod(pod: Pod): number {
    return this.#gpu.clearPod(pod.slot) + this.#host.clearPod(pod.slot);
  }

  /** Whether a pod holds the segment at `segments[at]`, in any tier. */
  has(pod: Pod, segments: Uint32Array, at: number): boolean {
    return this.#gpu.find(segments, at, pod.slot) !== NIL || this.#host.table.find(segments, at, pod.slot) !== NIL;
  }

  /** What found the last looked-up prompt, for going on from there. */
  get lastMatch(): PrefixMatcher {
    return this.#answering;
  }

  /** Looks a prompt up; `depth` and `lastMatch` answer for it until the next call. */
  match(segments: Uint32Array): void {
    this.#gpuMatcher.match(segments);
    this.#answering = this.#host.table.size === 0 ? this.#gpuMatcher : this.#matcher;
    if (this.#answering === this.#matcher) this.#matcher.match(segments);
  }

  /** Leading segments of the last looked-up prompt that the pod holds. */
  depth(pod: Pod): number {
    return this.#answering.depth(pod.slot);
  }

  /** By slot, how many of them the GPU tier holds; undefined where that is all of them, of every pod. */
  get gpuDepths(): Uint32Array | undefined {
    return this.#answering === this.#gpuMatcher ? undefined : this.#gpuMatcher.depths;
  }

  /** Lets the oldest host-tier claims go until this many bytes are free of them. Returns how many bytes went. */
  giveWay(bytes: number): number {
    const before = this.#host.usedBytes;
    while (before - this.#host.usedBytes < bytes && this.#dropOldestInHost());
    return before - this.#host.usedBytes;
  }

  #storeInGpu(pod: Pod, segments: Uint32Array, tokens: Uint32Array): void {
    const mostBytes = this.#mostBytes() - CLAIM_BYTES;
    const { slot } = pod;
    const elsewhere = this.#host.table.podSize(slot) > 0;
    this.#gpu.warm(segments);
    for (let i = 0; i < tokens.length; i++) {
      const at = 2 * i;
      if (elsewhere) this.#host.remove(segments, at, slot);
      if (this.usedBytes > mostBytes && this.#gpu.find(segments, at, slot) === NIL && !this.#makeRoom(mostBytes)) {
        this.#dropped++;
        continue;
      }
      this.#gpu.put(segments, at, slot, tokens[i] as number);
    }
  }

  #storeInHost(pod: Pod, segments: Uint32Array, tokens: Uint32Array): void {
    const mostBytes = this.#mostBytes() - RECENT_CLAIM_BYTES;
    const { slot } = pod;
    const elsewhere = this.#gpu.podSize(slot) > 0;
    // Deepest first: the head of a prompt is younger than its tail and outlives it.
    for (let i = tokens.length - 1; i >= 0; i--) {
      const at = 2 * i;
      if (elsewhere) this.#gpu.remove(segments, at, slot);
      if (
        this.usedBytes > mostBytes &&
        this.#host.table.find(segments, at, slot) === NIL &&
        !this.#makeRoom(mostBytes)
      ) {
        this.#dropped++;
        continue;
      }
      this.#host.touch(segments, at, slot, tokens[i] as number);
    }
  }

  #remove(pod: Pod, segments: Uint32Array): void {
    const { slot } = pod;
    this.#gpu.warm(segments);
    for (let at = 0; at < segments.length; at += 2) {
      if (!this.#gpu.remove(segments, at, slot)) this.#host.remove(segments, at, slot);
    }
  }

  /** Lets the oldest host-tier claims go until no more than these bytes are used. False if it takes more than those. */
  #makeRoom(mostBytes: number): boolean {
    while (this.usedBytes > mostBytes) if (!this.#dropOldestInHost()) return false;
    return true;
  }

  #dropOldestInHost(): boolean {
    const oldest = this.#host.oldest(0);
    if (oldest === NIL) return false;
    this.#host.delete(oldest);
    this.#gaveWay++;
    return true;
  }
}

import { MOST_SLOTS, type PodSlot } from "./pod-slot.ts";

/**
 * A set of claims in two sums that do not depend on order: of the low and of the high words of its segments' hashes,
 * modulo 2^32. The hashes are mixed already (XXH64), so sets that differ have equal sums once in 2^64.
 */
export type ClaimDigest = { readonly low: number; readonly high: number };

/** The digests of pods' claims, kept as claims come and go. */
export class PodDigests {
  readonly #low = new Uint32Array(MOST_SLOTS);
  readonly #high = new Uint32Array(MOST_SLOTS);

  add(pod: PodSlot, keys: Uint32Array, at: number): void {
    this.#low[pod] = (this.#low[pod] as number) + (keys[at] as number);
    this.#high[pod] = (this.#high[pod] as number) + (keys[at + 1] as number);
  }

  subtract(pod: PodSlot, keys: Uint32Array, at: number): void {
    this.#low[pod] = (this.#low[pod] as number) - (keys[at] as number);
    this.#high[pod] = (this.#high[pod] as number) - (keys[at + 1] as number);
  }

  of(pod: PodSlot): ClaimDigest {
    return { low: this.#low[pod] as number, high: this.#high[pod] as number };
  }
}

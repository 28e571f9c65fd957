import type { ClaimDigest } from "./claim-digest.ts";
import type { Pod } from "./pod.ts";

/** What makes sure of a pod's claims: its collector's sums of them, or all of them anew. */
export type Remedy = "check" | "resync";

/** What a pod's claims sum to, in each tier. */
export type TierDigests = { readonly gpu: ClaimDigest; readonly host: ClaimDigest };

/**
 * Why a pod's claims may not be the right ones: there were none, and those that came since are right but not all there is;
 * changes are missing; or they are known not to be what the collector holds.
 */
type Uncertainty = "began_empty" | "unchecked" | "unequal";

/**
 * Which pods' confirmed claims can be relied on. Claims in *doubt* come from a checkpoint, or a push is missing: they count
 * as guesses until their collector's sums show that they are the right ones, or it sends all anew.
 */
export class ClaimTrust {
  readonly #unsure = new Map<Pod, Uncertainty>();
  /** Those of them whose claims are only guesses: asked for at every request. */
  readonly #doubted = new Set<Pod>();

  /** Changes of the pod's claims may be missing. */
  doubt(pod: Pod, hasClaims: boolean): void {
    this.#unsure.set(pod, hasClaims ? "unchecked" : "began_empty");
    if (hasClaims) this.#doubted.add(pod);
    else this.#doubted.delete(pod);
  }

  /** The pod's claims are what its collector says from here on. */
  settle(pod: Pod): void {
    this.#unsure.delete(pod);
    this.#doubted.delete(pod);
  }

  /** Compares what is held with what the collector's claims sum to. */
  check(pod: Pod, held: TierDigests, sums: TierDigests): void {
    if (isSame(held.gpu, sums.gpu) && isSame(held.host, sums.host)) {
      this.settle(pod);
      return;
    }
    this.#unsure.set(pod, "unequal");
    this.#doubted.add(pod);
  }

  /** Whether any pod's claims are only guesses: mostly none's are. */
  get anyDoubt(): boolean {
    return this.#doubted.size > 0;
  }

  /** Whether the pod's claims are only guesses. */
  isDoubted(pod: Pod): boolean {
    return this.#doubted.has(pod);
  }

  /** What makes sure of a pod's claims; undefined where they are. */
  remedyFor(pod: Pod): Remedy | undefined {
    const uncertainty = this.#unsure.get(pod);
    return uncertainty && (uncertainty === "unchecked" ? "check" : "resync");
  }

  /** Pods whose claims may not be the right ones. */
  get unsure(): Iterable<Pod> {
    return this.#unsure.keys();
  }
}

function isSame(one: ClaimDigest, other: ClaimDigest): boolean {
  return one.low === other.low && one.high === other.high;
}

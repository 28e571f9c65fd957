import { KeepingOrder, type KeptPod } from "./kept-claims.ts";
import type { PodClaims } from "./pod-claims.ts";
import type { PodRegistry } from "./pod-registry.ts";

/** Carries claims over a restart: says which are to be written when, and takes up what was. */
export class ClaimKeeper {
  readonly #registry: PodRegistry;
  readonly #claims: PodClaims;
  readonly #order = new KeepingOrder();

  constructor(registry: PodRegistry, claims: PodClaims) {
    this.#registry = registry;
    this.#claims = claims;
  }

  /** Claims have changed since they were written. */
  get isBehind(): boolean {
    return this.#claims.changed.size > 0;
  }

  /** The claims to write now; they count as written from here on. Call once a second at most. */
  take(nowMs: number): KeptPod[] {
    const bytesOf = (podId: string): number => {
      const pod = this.#registry.get(podId);
      return pod === undefined ? 0 : this.#claims.keptBytes(pod);
    };
    return this.#order.due(this.#claims.changed, bytesOf, nowMs).flatMap((podId): KeptPod[] => {
      const pod = this.#registry.get(podId);
      if (pod !== undefined) {
        this.#order.done(podId, nowMs);
        return [{ podId, epoch: pod.facts.epoch, claims: this.#claims.keep(pod) }];
      }
      const wasKept = this.#order.has(podId);
      this.#order.dropped(podId);
      this.#claims.forget(podId);
      return wasKept ? [{ podId, epoch: "", claims: undefined }] : [];
    });
  }

  /** Takes up what was written of a pod, in doubt. Void if the pod is gone or has restarted. */
  restore({ podId, epoch, claims }: KeptPod, nowMs: number): void {
    const pod = this.#registry.get(podId);
    this.#order.found(podId);
    if (claims !== undefined && pod?.facts.epoch === epoch) this.#claims.restore(pod, claims, nowMs);
    else this.#claims.outdated(podId);
  }
}

import type { PodFacts } from "../src/routing/pod.ts";
import type { Router } from "../src/routing/router.ts";
import type { ListedPod, RoutedPod } from "./routing-rpc.ts";

/** The list is made at most this often. */
const MADE_EVERY_MS = 1_000;

/** The pods that Workers keep to fall back on: those that take requests and are not left out for failing. */
export class PodList {
  readonly #router: Router;
  #pods: readonly ListedPod[] = [];
  #madeAtMs = Number.NEGATIVE_INFINITY;

  constructor(router: Router) {
    this.#router = router;
  }

  /** The list, a second old at most. */
  at(nowMs: number): readonly ListedPod[] {
    if (nowMs - this.#madeAtMs >= MADE_EVERY_MS) {
      const pods = this.#router.inspect().pods.filter(({ state, health }) => {
        return state === "ready" && health.kind !== "ejected";
      });
      this.#pods = pods.map((pod) => ({ ...routedPod(pod), servedModels: pod.servedModels }));
      this.#madeAtMs = nowMs;
    }
    return this.#pods;
  }
}

/** What a caller is told of a pod. */
export function routedPod({ id, cluster, epoch, url, index }: PodFacts): RoutedPod {
  return { id, cluster, epoch, url, index };
}

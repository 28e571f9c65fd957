import { prefillWork } from "./outlook/prefill-cost.ts";
import type { Pod } from "./pod.ts";

/** What a request comes to on the pod it is counted on. */
export type AssumedWork = { readonly promptTokens: number; readonly uncachedTokens: number };

/** The counts of a pod that change with what is sent there. */
export type Counts = Pick<Pod, "inFlight" | "awaitingFirstToken" | "backlogTokens" | "promptTokensInFlight">;

/**
 * Requests that count on pods as if they had been sent there, so that a policy sees what is going to wait where. They
 * have no leases: whoever assumes them retracts them all before anything else happens.
 */
export class AssumedPlacements {
  /** What the pods' own counts are. */
  readonly #real = new Map<Pod, Counts>();

  assume(pod: Pod, { promptTokens, uncachedTokens }: AssumedWork): void {
    const { inFlight, awaitingFirstToken, backlogTokens, promptTokensInFlight } = pod;
    if (!this.#real.has(pod)) {
      this.#real.set(pod, { inFlight, awaitingFirstToken, backlogTokens, promptTokensInFlight });
    }
    pod.inFlight++;
    pod.awaitingFirstToken++;
    pod.backlogTokens += uncachedTokens;
    pod.promptTokensInFlight += promptTokens;
    pod.outlook.assume(prefillWork(promptTokens, promptTokens - uncachedTokens));
  }

  /** The pod's own counts. */
  realCounts(pod: Pod): Counts {
    return this.#real.get(pod) ?? pod;
  }

  /** Puts all counts back exactly as they were. */
  retract(): void {
    for (const [pod, counts] of this.#real) {
      Object.assign(pod, counts);
      pod.outlook.retractAssumed();
    }
    this.#real.clear();
  }
}

import type { PodOutlook } from "./pod-outlook.ts";
import { prefillWork } from "./prefill-cost.ts";

/** A lease taken over from an instance that is gone, as far as its pod's outlook goes. */
export type AdoptedWork = {
  readonly leaseId: string;
  readonly pod: PodOutlook;
  readonly promptTokens: number;
  readonly uncachedTokens: number;
  readonly firstTokenSeen: boolean;
};

/**
 * Leases of which only the lengths are known: they wait and hold memory like any other, but belong to no conversation, and
 * nothing is learned from them.
 */
export class AdoptedLeases {
  readonly #adopted = new Map<string, AdoptedWork>();

  open(adopted: AdoptedWork, nowMs: number): void {
    const { leaseId, pod, promptTokens, uncachedTokens, firstTokenSeen } = adopted;
    this.#adopted.set(leaseId, adopted);
    pod.sent(leaseId, prefillWork(promptTokens, promptTokens - uncachedTokens), promptTokens, nowMs);
    if (firstTokenSeen) pod.stopsWaiting(leaseId, nowMs);
  }

  firstToken(leaseId: string, nowMs: number): void {
    this.#adopted.get(leaseId)?.pod.stopsWaiting(leaseId, nowMs);
  }

  end(leaseId: string, nowMs: number): void {
    const adopted = this.#adopted.get(leaseId);
    if (adopted === undefined) return;
    this.#adopted.delete(leaseId);
    adopted.pod.ended(leaseId, adopted.promptTokens, nowMs);
  }
}

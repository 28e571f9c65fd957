import type { Lease } from "./lease-ledger.ts";

/** So many times the predicted wait is more than a slow engine or a wrong prediction explains. */
const TIMES_PREDICTED = 8;
/** A pod whose backlog got on within this time is working through it. */
const GETS_ON_MS = 5_000;

/**
 * Whether a request has waited for its first token for so much longer than predicted that its pod seems to have lost
 * it. Not while the pod is getting on with what was sent before it.
 */
export function isOverdue({ id, pod, ...lease }: Lease, prefillTokensPerMs: number, nowMs: number): boolean {
  if (lease.firstTokenAtMs !== undefined) return false;
  const predictedMs = lease.workAtSendTokens / prefillTokensPerMs;
  if (nowMs - lease.openedAtMs < TIMES_PREDICTED * predictedMs) return false;
  const [head] = pod.awaiting.keys();
  return head === id || nowMs - pod.headSinceMs > GETS_ON_MS;
}

import type { Upstream } from "./upstream.ts";

/** When this isolate last heard from a pod: the headers of any answer. Plain numbers, so that requests may share them. */
const heardAtMs = new Map<string, number>();
const MOST_PODS = 10_000;

/** Notes that a pod has answered something. */
export function heardFrom(podId: string, nowMs: number): void {
  if (heardAtMs.size >= MOST_PODS) heardAtMs.clear();
  heardAtMs.set(podId, nowMs);
}

/** A pod to be asked whether it is there. */
export type AskedPod = { readonly id: string; readonly upstream: Upstream };

/** How a pod is asked: so many times, each for so long. */
export type Asking = { readonly times: number; readonly eachMs: number };

/**
 * Whether a pod has answered anything since `sinceMs`. If nothing came by itself the pod is asked; any answer counts,
 * of whatever status: it tells that the pod can be reached and its server runs.
 */
export async function isAlive({ id, upstream }: AskedPod, sinceMs: number, asking: Asking): Promise<boolean> {
  for (let asked = 0; asked < asking.times; asked++) {
    if ((heardAtMs.get(id) ?? 0) > sinceMs) return true;
    try {
      const answer = await upstream("/health", { redirect: "manual", signal: AbortSignal.timeout(asking.eachMs) });
      heardFrom(id, Date.now());
      await answer.body?.cancel();
    } catch {
      // No connection, or silence: what was asked about.
    }
  }
  return (heardAtMs.get(id) ?? 0) > sinceMs;
}

import type { EngineGauges, Pod } from "./pod.ts";

/** Gauges of so long ago say nothing any more: a collector that is cut off goes on reporting its last reading. */
const MOST_GAUGE_AGE_MS = 10_000;

/** What the engine last reported, if that is not too long ago to be true. */
export function freshGauges(pod: Pod, nowMs: number): EngineGauges | undefined {
  return nowMs - pod.gaugesAtMs <= MOST_GAUGE_AGE_MS ? pod.gauges : undefined;
}

/**
 * Requests on a pod that are not ours: what its engine reported beyond our own leases at the moment of the reading.
 * `undefined` where the engine reports no gauge, or has not for a while. While leases of before a restart are being
 * adopted, the history is too short to compare with: then the pod's load is the larger of its leases and what the engine
 * reported.
 */
function foreignRequests(pod: Pod, nowMs: number, adopting: boolean): number | undefined {
  const gauges = freshGauges(pod, nowMs);
  if (gauges?.running === undefined) return undefined;
  const ours = adopting ? pod.inFlight : pod.leasesAtGauges;
  return Math.max(0, gauges.running + (gauges.waiting ?? 0) - ours);
}

/**
 * Foreign requests of each pod. A pod whose engine says nothing is taken to be as busy with them as the busiest that
 * does: unknown is pessimistic, never zero.
 */
export function foreignLoad(pods: readonly Pod[], nowMs: number, adopting: boolean): Float64Array {
  const load = new Float64Array(pods.length);
  let most = 0;
  let unknown = false;
  for (let i = 0; i < pods.length; i++) {
    const foreign = foreignRequests(pods[i] as Pod, nowMs, adopting);
    if (foreign === undefined) unknown = true;
    else if (foreign > most) most = foreign;
    load[i] = foreign ?? Number.NaN;
  }
  if (unknown) for (let i = 0; i < load.length; i++) if (Number.isNaN(load[i])) load[i] = most;
  return load;
}

/** Until when `foreignLoad` answers the same for these pods, as long as nothing is reported and none is adopting. */
export function foreignLoadHoldsUntilMs(pods: readonly Pod[], nowMs: number): number {
  let untilMs = Number.POSITIVE_INFINITY;
  for (const pod of pods) {
    if (freshGauges(pod, nowMs) !== undefined) untilMs = Math.min(untilMs, pod.gaugesAtMs + MOST_GAUGE_AGE_MS);
  }
  return untilMs;
}

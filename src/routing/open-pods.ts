import { backlogMs } from "./backlog.ts";
import { foreignLoad, freshGauges } from "./load.ts";
import type { EngineGauges, Pod } from "./pod.ts";
import { type SaturationLimits, saturation } from "./saturation.ts";

/** What a request asks of a pod. */
export type WantedRoom = { readonly promptTokens: number; readonly outputTokens: number };

/** What pods are judged by, beside their own counts. */
export type RoomTerms = {
  readonly limits: SaturationLimits & { readonly mostInFlight: number; readonly mostBacklogMs: number };
  readonly prefillTokensPerMs: number;
  readonly nowMs: number;
  /** Leases of before a restart are still being adopted (see load.ts). */
  readonly adopting: boolean;
};

/**
 * Where a request may go. `open`: pods under all of their limits. `roomy`: those and the ones whose only limit is their
 * backlog, which a policy weighs by itself. Both in the order of `pods`.
 */
export type OpenPods = { readonly open: readonly Pod[]; readonly roomy: readonly Pod[] };

/** Sorts pods by whether they may take one more request. Costs little as long as all may. */
export function openPods(pods: readonly Pod[], wanted: WantedRoom, terms: RoomTerms): OpenPods {
  if (allSurelyOpen(pods, wanted, terms)) return { open: pods, roomy: pods };
  const foreign = mayBeFull(pods, terms) ? foreignLoad(pods, terms.nowMs, terms.adopting) : undefined;
  const open: Pod[] = [];
  const roomy: Pod[] = [];
  for (let i = 0; i < pods.length; i++) {
    const pod = pods[i] as Pod;
    const verdict = saturation(loadOf(pod, foreign?.[i] ?? 0, terms), wanted, terms.limits);
    if (verdict.free) open.push(pod);
    if (verdict.free || verdict.why === "backlog") roomy.push(pod);
  }
  return { open, roomy };
}

/** Whether no limit can bind anywhere, by bounds that are quick to compute. */
function allSurelyOpen(pods: readonly Pod[], wanted: WantedRoom, terms: RoomTerms): boolean {
  const { mostBacklogMs, mostKvShare = Number.POSITIVE_INFINITY, mostInFlight } = terms.limits;
  const mostBacklogTokens = mostBacklogMs * terms.prefillTokensPerMs;
  const wantedTokens = wanted.promptTokens + wanted.outputTokens;
  let mostOwn = 0;
  let mostReported = 0;
  for (let i = 0; i < pods.length; i++) {
    const { inFlight, gauges, backlogTokens, promptTokensInFlight, facts } = pods[i] as Pod;
    if (inFlight > mostOwn) mostOwn = inFlight;
    if (gauges !== undefined) mostReported = Math.max(mostReported, reportedRequests(gauges));
    if (backlogTokens > 0 && backlogTokens >= mostBacklogTokens) return false;
    const { capacityTokens } = facts;
    if (capacityTokens !== undefined && promptTokensInFlight + wantedTokens > mostKvShare * capacityTokens)
      return false;
  }
  return mostOwn + mostReported < mostInFlight;
}

/** Whether some pod may have too many requests. Those of others are at most all that an engine reports. */
function mayBeFull(pods: readonly Pod[], { limits }: RoomTerms): boolean {
  let mostOwn = 0;
  let mostReported = 0;
  for (const { inFlight, gauges } of pods) {
    mostOwn = Math.max(mostOwn, inFlight);
    if (gauges !== undefined) mostReported = Math.max(mostReported, reportedRequests(gauges));
  }
  return mostOwn + mostReported >= limits.mostInFlight;
}

function reportedRequests({ running = 0, waiting = 0 }: EngineGauges): number {
  return running + waiting;
}

function loadOf(pod: Pod, foreign: number, { prefillTokensPerMs, nowMs }: RoomTerms) {
  const { inFlight, promptTokensInFlight, backlogTokens, facts } = pod;
  const kvUsage = freshGauges(pod, nowMs)?.kvUsage;
  const { capacityTokens } = facts;
  return {
    inFlight,
    foreign,
    promptTokensInFlight,
    capacityTokens,
    backlogMs: backlogMs(pod, prefillTokensPerMs, nowMs),
    // What is not prefilled yet is not in the engine's figure.
    reportedKvTokens:
      kvUsage === undefined || capacityTokens === undefined ? undefined : kvUsage * capacityTokens + backlogTokens,
  };
}

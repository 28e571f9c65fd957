import type { CandidateColumns } from "../candidate-columns.ts";
import type { PolicyContext } from "../policy.ts";

/** Prefill can have this share of the time without anybody noticing; decodes beside it need the rest. */
const EASY_WORK_SHARE = 0.5;
/** Up to this share of the fleet's memory in use, a pod with room is found for every request. */
const EASY_MEMORY_SHARE = 0.7;

/** How near the fleet is to having no time for more prefill: 0 to 1. */
export function fleetWorkPressure({ requests }: CandidateColumns, { outlook, nowMs }: PolicyContext): number {
  return pressureAt((outlook?.account.workPerMs(nowMs) ?? 0) / requests.length, EASY_WORK_SHARE);
}

/** How near the fleet is to having no memory for more requests: 0 to 1. Pods of unknown capacity do not count. */
export function fleetMemoryPressure({ promptTokensInFlight, capacityTokens }: CandidateColumns): number {
  let usedTokens = 0;
  let allTokens = 0;
  for (let i = 0; i < capacityTokens.length; i++) {
    if (capacityTokens[i] === 0) continue;
    usedTokens += promptTokensInFlight[i] as number;
    allTokens += capacityTokens[i] as number;
  }
  return allTokens === 0 ? 0 : pressureAt(usedTokens / allTokens, EASY_MEMORY_SHARE);
}

/** 0 up to the easy share, 1 where everything is in use. */
function pressureAt(share: number, easy: number): number {
  return Math.min(1, Math.max(0, share - easy) / (1 - easy));
}

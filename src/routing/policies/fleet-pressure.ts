import type { CandidateColumns } from "../candidate-columns.ts";
import type { PolicyContext } from "../policy.ts";

/** Prefill can have this share of the time without anybody noticing; decodes beside it need the rest. */
const EASY_WORK_SHARE = 0.5;
/** Up to this share of the fleet's memory in use, a pod with room is found for every request. */
const EASY_MEMORY_SHARE = 0.7;

/**
 * How near the fleet is to having no time for more prefill, or no memory for more requests: 0 to 1. As long as a pod has
 * far fewer requests than the others, one that has just joined, it is no nearer than that pod. `onlyMemory` leaves time
 * out of it.
 */
export function fleetPressure(columns: CandidateColumns, context: PolicyContext, onlyMemory: boolean): number {
  const pressure = onlyMemory
    ? memoryPressure(columns)
    : Math.max(memoryPressure(columns), workPressure(columns, context));
  return pressure === 0 ? 0 : pressure * evenness(columns);
}

function workPressure({ requests }: CandidateColumns, { outlook, nowMs }: PolicyContext): number {
  return pressureAt((outlook?.account.workPerMs(nowMs) ?? 0) / requests.length, EASY_WORK_SHARE);
}

/** Pods of unknown capacity do not count. */
function memoryPressure({ promptTokensInFlight, capacityTokens }: CandidateColumns): number {
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

/** Requests of the pod with the fewest, by the mean of all. */
function evenness({ requests }: CandidateColumns): number {
  let fewest = Number.POSITIVE_INFINITY;
  let all = 0;
  for (const count of requests) {
    all += count;
    if (count < fewest) fewest = count;
  }
  return all === 0 ? 0 : (fewest * requests.length) / all;
}

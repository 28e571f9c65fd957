import type { CandidateColumns } from "../candidate-columns.ts";
import type { PolicyContext } from "../policy.ts";

/** Prefill can have this share of the time without anybody noticing; decodes beside it need the rest. */
const EASY_WORK_SHARE = 0.5;
/** Up to this share of the fleet's memory in use, a pod with room is found for every request. */
const EASY_MEMORY_SHARE = 0.7;

/** How near a fleet is to what it can do: 0 to 1. */
export type FleetPressure = {
  /** To having no memory for more requests. */
  readonly memory: number;
  /** To that, or to having no time for more prefill: whichever is nearer. */
  readonly most: number;
};

const NONE: FleetPressure = { memory: 0, most: 0 };

/**
 * The fleet's pressure. As long as a pod has far fewer requests than the others, one that has just joined, the fleet is no
 * nearer to its limits than that pod.
 */
export function fleetPressure(columns: CandidateColumns, context: PolicyContext): FleetPressure {
  const memory = memoryPressure(columns);
  const most = Math.max(memory, workPressure(columns, context));
  if (most === 0) return NONE;
  const even = evenness(columns);
  return { memory: memory * even, most: most * even };
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

import type { Candidate, PolicyRequest } from "./policy.ts";
import {
  newPolicyMemory,
  type PodPlacements,
  type PolicyMemory,
  type PolicyMemoryView,
  type SessionPin,
} from "./policy-memory.ts";
import { type SlidingWindow, windowSum } from "./sliding-window.ts";

/**
 * What one decision could read of the policies' memory. Of the users' tokens, only those that policies ask for: the
 * request's own user, and the least and the most served one.
 */
export type RecordedMemory = {
  readonly lastChosen?: string | undefined;
  readonly session?: SessionPin | undefined;
  readonly coldPlacements?: readonly (readonly [pod: string, atMs: number])[] | undefined;
  readonly servedTokens?: readonly (readonly [user: string, served: SlidingWindow])[] | undefined;
  readonly podPlacements?: readonly (readonly [pod: string, placements: PodPlacements])[] | undefined;
};

/** Copies it. */
export function memoryRead(
  memory: PolicyMemoryView,
  { model, session, user }: PolicyRequest,
  candidates: readonly Candidate[],
  nowMs: number,
): RecordedMemory {
  const lastChosen = memory.lastChosen.get(model);
  const pin = session === undefined ? undefined : memory.sessions.get(session);
  const cold = ofCandidates(memory.coldPlacements, candidates);
  const served = servedRead(memory.servedTokens, user, nowMs);
  const placements = ofCandidates(memory.podPlacements, candidates);
  return {
    ...(lastChosen !== undefined && { lastChosen }),
    ...(pin && { session: pin }),
    ...(cold.length > 0 && { coldPlacements: cold }),
    ...(served.length > 0 && { servedTokens: served }),
    ...(placements.length > 0 && {
      podPlacements: placements.map(([id, { placed, warm, prefillMs }]) => [
        id,
        { placed: copyOf(placed), warm: copyOf(warm), prefillMs: copyOf(prefillMs) },
      ]),
    }),
  };
}

/** The memory as that decision saw it. */
export function memoryOf(recorded: RecordedMemory, { model, session }: PolicyRequest): PolicyMemory {
  const memory = newPolicyMemory();
  if (recorded.lastChosen !== undefined) memory.lastChosen.set(model, recorded.lastChosen);
  if (recorded.session !== undefined && session !== undefined) memory.sessions.set(session, recorded.session);
  for (const [pod, atMs] of recorded.coldPlacements ?? []) memory.coldPlacements.set(pod, atMs);
  for (const [user, served] of recorded.servedTokens ?? []) memory.servedTokens.set(user, served);
  for (const [pod, placements] of recorded.podPlacements ?? []) memory.podPlacements.set(pod, placements);
  return memory;
}

function ofCandidates<Value>(map: ReadonlyMap<string, Value>, candidates: readonly Candidate[]): [string, Value][] {
  if (map.size === 0) return [];
  return candidates.flatMap(({ id }): [string, Value][] => {
    const value = map.get(id);
    return value === undefined ? [] : [[id, value]];
  });
}

function servedRead(
  servedTokens: ReadonlyMap<string, SlidingWindow>,
  user: string | undefined,
  nowMs: number,
): [string, SlidingWindow][] {
  let least: [string, number] | undefined;
  let most: [string, number] | undefined;
  for (const [each, served] of servedTokens) {
    const tokens = windowSum(served, nowMs);
    if (tokens <= 0) continue;
    if (least === undefined || tokens < least[1]) least = [each, tokens];
    if (most === undefined || tokens > most[1]) most = [each, tokens];
  }
  const users = new Set([user, least?.[0], most?.[0]]);
  return [...users].flatMap((each): [string, SlidingWindow][] => {
    const served = each === undefined ? undefined : servedTokens.get(each);
    return each === undefined || served === undefined ? [] : [[each, copyOf(served)]];
  });
}

function copyOf({ slotMs, times, sums }: SlidingWindow): SlidingWindow {
  return { slotMs, times: [...times], sums: [...sums] };
}

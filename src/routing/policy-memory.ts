import type { SlidingWindow } from "./sliding-window.ts";

/** The pod a session was last sent to. */
export type SessionPin = { readonly podId: string; readonly atMs: number };

/** What was sent to a pod lately. */
export type PodPlacements = {
  /** Requests. */
  readonly placed: SlidingWindow;
  /** Those of them whose prompt the pod mostly had. */
  readonly warm: SlidingWindow;
  /** Estimated prefill time of them all, in ms. */
  readonly prefillMs: SlidingWindow;
};

/**
 * What policies remember of their placements, per model. The router owns it and hands it in: policies read it in
 * `decide` and write it in `placed` and `settled` only. Plain values, each list bounded, so that a copy of it replays
 * what was decided.
 */
export type PolicyMemory = {
  /** By model name: the pod chosen last (`round-robin`). */
  readonly lastChosen: Map<string, string>;
  /** By session, least recently used first (`session-affinity`, `weighted`). */
  readonly sessions: Map<string, SessionPin>;
  /** Pods that were sent a prompt nobody had, least recently first; values are the times (`weighted`). */
  readonly coldPlacements: Map<string, number>;
  /** Weighted tokens by user, least recently active first (`vtc-basic`). */
  readonly servedTokens: Map<string, SlidingWindow>;
  /** By pod (`prefix-cache-preble`). */
  readonly podPlacements: Map<string, PodPlacements>;
};

/** The memory as `decide` sees it. */
export type PolicyMemoryView = {
  readonly [Name in keyof PolicyMemory]: PolicyMemory[Name] extends Map<infer Key, infer Value>
    ? ReadonlyMap<Key, Value>
    : never;
};

/** A memory of nothing. */
export function newPolicyMemory(): PolicyMemory {
  return {
    lastChosen: new Map(),
    sessions: new Map(),
    coldPlacements: new Map(),
    servedTokens: new Map(),
    podPlacements: new Map(),
  };
}

/** Sets an entry and makes it the most recent; above `most` entries the least recent ones go. */
export function remember<Value>(map: Map<string, Value>, key: string, value: Value, most: number): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= most) break;
    map.delete(oldest);
  }
}

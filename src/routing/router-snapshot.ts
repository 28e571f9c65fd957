import type { FeedPosition } from "./feeds.ts";
import type { SavedEjection } from "./health/pod-health.ts";
import type { LearnedState } from "./learned-rates.ts";
import type { OutlookLessons } from "./outlook/placement-outlook.ts";
import type { PodFacts } from "./pod.ts";
import type { DrainState } from "./queue/drain-rate.ts";
import type { RouterState } from "./router-state.ts";

/** What a holder says of a lease that this router does not know (any more). */
export type AdoptedLease = {
  readonly leaseId: string;
  readonly podId: string;
  readonly epoch: string;
  readonly ageMs: number;
  readonly firstTokenSeen: boolean;
  readonly promptTokens: number;
  readonly uncachedTokens: number;
};

/** Everything a checkpoint keeps. Plain values. */
export type RouterSnapshot = {
  readonly pods: readonly { readonly source: string; readonly facts: PodFacts }[];
  readonly leases: readonly AdoptedLease[];
  readonly feeds: readonly (readonly [string, FeedPosition])[];
  readonly learned: LearnedState;
  /** What was learned of prefill, answers, returning conversations and the network. */
  readonly outlook?: OutlookLessons | undefined;
  /** Pods that are left out for failing. */
  readonly ejections?: readonly SavedEjection[] | undefined;
  /** How fast work leaves the queue. */
  readonly drain?: DrainState | undefined;
};

/** What a checkpoint holds now. */
export function snapshotOf(state: RouterState, nowMs: number): RouterSnapshot {
  const { registry, ledger, feeds, learner, outlook, health, held } = state;
  return {
    pods: registry.pods.map((pod) => ({ source: pod.source, facts: pod.facts })),
    leases: [...ledger.values()].map((lease) => ({
      leaseId: lease.id,
      podId: lease.pod.id,
      epoch: lease.epoch,
      ageMs: nowMs - lease.openedAtMs,
      firstTokenSeen: lease.firstTokenAtMs !== undefined,
      promptTokens: lease.promptTokens,
      uncachedTokens: lease.uncachedTokens,
    })),
    feeds: feeds.entries(),
    learned: learner.state,
    outlook: outlook.lessons,
    ejections: health.snapshot(nowMs),
    drain: held.drainState,
  };
}

/** Takes up a checkpoint but for its leases. The claims of its pods are in doubt from here on. */
export function restoreSnapshot(state: RouterState, snapshot: RouterSnapshot, nowMs: number): void {
  const { registry, claims, feeds, learner, outlook, health, held } = state;
  feeds.restore(snapshot.feeds);
  learner.restore(snapshot.learned);
  if (snapshot.outlook !== undefined) outlook.restore(snapshot.outlook);
  for (const { source, facts } of snapshot.pods) claims.doubt(registry.restore(source, facts, nowMs));
  health.setPods(registry.pods, nowMs);
  health.restore(snapshot.ejections ?? [], nowMs);
  if (snapshot.drain !== undefined) held.restore(snapshot.drain);
}

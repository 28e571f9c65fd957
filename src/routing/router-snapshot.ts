import type { FeedPosition } from "./feeds.ts";
import type { SavedEjection } from "./health/pod-health.ts";
import type { LearnedState } from "./learned-rates.ts";
import type { PodFacts } from "./pod.ts";
import type { DrainState } from "./queue/drain-rate.ts";

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
  /** Pods that are left out for failing. */
  readonly ejections?: readonly SavedEjection[] | undefined;
  /** How fast work leaves the queue. */
  readonly drain?: DrainState | undefined;
};

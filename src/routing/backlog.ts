import type { Pod } from "./pod.ts";

/** At most this share of the prefill at the head of a backlog is taken as done, however long it has run. */
const MOST_HEAD_DONE = 0.95;
/** Share of the elapsed time that went into it; the rest went to decodes beside it. */
const HEAD_PROGRESS = 0.7;

/** How long a pod will prefill before it gets to a new request, in ms (the policy lab's b(p)). */
export function backlogMs(pod: Pod, prefillTokensPerMs: number, nowMs: number): number {
  if (pod.awaiting.size === 0) return 0;
  const headTokens = pod.awaiting.values().next().value ?? 0;
  const headMs = Math.min(
    (MOST_HEAD_DONE * headTokens) / prefillTokensPerMs,
    HEAD_PROGRESS * (nowMs - pod.headSinceMs),
  );
  return Math.max(0, pod.backlogTokens / prefillTokensPerMs - headMs);
}

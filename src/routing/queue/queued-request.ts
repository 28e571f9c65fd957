/** A request that waits until a pod has room for it. */
export type QueuedRequest<Payload> = {
  readonly id: string;
  /** Whom fairness counts it for: API key or tenant. */
  readonly key: string;
  /** Larger goes first. */
  readonly priority: number;
  /** When it came to the router. A request that comes back after a failed attempt keeps its first arrival. */
  readonly enqueuedAtMs: number;
  /** When it stops waiting, placed or not. */
  readonly deadlineAtMs: number;
  readonly promptTokens: number;
  /** Prompt tokens to prefill on the pod that holds most of the prompt. */
  readonly uncachedTokens: number;
  /** Expected length of the answer. */
  readonly outputTokens: number;
  /** Asked for by the client, counted from `enqueuedAtMs`. */
  readonly sloTtftMs?: number | undefined;
  /** The same for a request and a client's later retry of it, different for others: a hash over prompt and key. */
  readonly fingerprint: string;
  readonly payload: Payload;
};

/**
 * `queue_full`: there is no room, or none that is this key's share. `deadline_unmeetable`: it would be waiting still at
 * its deadline. `slo_unmeetable`: its first token would come later than asked for.
 */
export type QueueRefusal = "queue_full" | "deadline_unmeetable" | "slo_unmeetable";

/** What became of an offered request. `waitMs`: how long it is expected to wait. */
export type QueueVerdict =
  | { readonly ok: true; readonly waitMs: number }
  | { readonly ok: false; readonly reason: QueueRefusal; readonly waitMs: number; readonly retryAfterMs: number };

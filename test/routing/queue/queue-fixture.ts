import { type QueueSettings, queueSettings } from "../../../src/routing/queue/queue-settings.ts";
import type { QueuedRequest } from "../../../src/routing/queue/queued-request.ts";
import { RequestQueue } from "../../../src/routing/queue/request-queue.ts";

/** 40 tokens a millisecond and nothing else: a prompt of 4,000 tokens is 100 ms of work. */
export const FLAT_COST = { stepMs: 0, stepTokens: 8_192, tokenMs: 1 / 40, pairMs: 0, kvReadMs: 0 };

/** A queue of payloads without meaning, believed to drain at 10 weighted tokens a millisecond. */
export function flatQueue(changes: Partial<QueueSettings> = {}): RequestQueue<undefined> {
  return new RequestQueue(
    queueSettings({
      workCost: () => FLAT_COST,
      outputWeight: 1,
      drainPrior: { workTokens: 100_000, busyMs: 10_000 },
      ...changes,
    }),
  );
}

/** 1,000 weighted tokens, 25 ms of work. */
export function asked(id: string, fields: Partial<QueuedRequest<undefined>> = {}): QueuedRequest<undefined> {
  const promptTokens = fields.promptTokens ?? 1_000;
  return {
    id,
    fingerprint: id,
    key: "key",
    priority: 0,
    enqueuedAtMs: 0,
    deadlineAtMs: 1_000_000,
    uncachedTokens: promptTokens,
    outputTokens: 0,
    payload: undefined,
    ...fields,
    promptTokens,
  };
}

/** Places all that wait, one at a time, and tells their ids. */
export function drainedIds(queue: RequestQueue<undefined>, nowMs: number): string[] {
  const ids: string[] = [];
  for (let request = queue.next(nowMs, () => true); request; request = queue.next(nowMs, () => true)) {
    ids.push(request.id);
  }
  return ids;
}

import { OrderedHeap } from "../../../src/routing/queue/ordered-heap.ts";
import type { QueuedRequest, QueueRefusal } from "../../../src/routing/queue/queued-request.ts";
import type { RequestQueue } from "../../../src/routing/queue/request-queue.ts";
import type { Random } from "../../../src/routing/random.ts";

/** A request as a client sends it. It gives up `patienceMs` after each time it sends it. */
export type ClientRequest = {
  readonly atMs: number;
  readonly key: string;
  readonly priority: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly patienceMs: number;
  readonly sloTtftMs?: number;
};

/** One sending of a request and what came of it. */
export type Sending = {
  readonly client: ClientRequest;
  /** 1 for the first time it is sent. */
  readonly attempt: number;
  readonly sentAtMs: number;
  readonly outcome: QueueRefusal | "placed" | "expired" | "open";
  readonly waitMs: number;
};

type Event = { readonly atMs: number; readonly order: number; readonly run: (nowMs: number) => void };
type Sent = { -readonly [field in keyof Sending]: Sending[field] };

/**
 * Pods that serve one request in each slot for its prefill and decode time, behind a queue, in simulated time. Refused
 * clients come back after `Retry-After`, in whole seconds and a little late, up to `attempts` times in all.
 */
export function simulateFleet(options: {
  readonly queue: RequestQueue<Sent>;
  readonly slots: number;
  readonly clients: readonly ClientRequest[];
  readonly serviceMs: (request: ClientRequest) => number;
  readonly random: Random;
  readonly attempts?: number;
}): Sending[] {
  const { queue, slots, clients, serviceMs, random, attempts = 1 } = options;
  const events = new OrderedHeap<Event>((a, b) => a.atMs - b.atMs || a.order - b.order);
  const sendings: Sent[] = [];
  let order = 0;
  let busy = 0;
  const at = (atMs: number, run: Event["run"]) => events.add({ atMs, order: order++, run });

  const place = (nowMs: number) => {
    for (const { payload } of queue.expire(nowMs))
      Object.assign(payload, { outcome: "expired", waitMs: nowMs - payload.sentAtMs });
    while (busy < slots) {
      const request = queue.next(nowMs, () => true);
      if (request === undefined) return;
      Object.assign(request.payload, { outcome: "placed", waitMs: nowMs - request.payload.sentAtMs });
      busy++;
      at(nowMs + serviceMs(request.payload.client), (endMs) => {
        busy--;
        place(endMs);
      });
    }
  };
  const send = (client: ClientRequest, attempt: number, name: string, nowMs: number) => {
    const sent: Sent = { client, attempt, sentAtMs: nowMs, outcome: "open", waitMs: 0 };
    sendings.push(sent);
    const verdict = queue.offer(asQueued(client, name, nowMs, sent), nowMs);
    if (verdict.ok) {
      at(nowMs + client.patienceMs, place);
      return place(nowMs);
    }
    sent.outcome = verdict.reason;
    if (attempt >= attempts) return;
    const backAtMs = nowMs + 1_000 * Math.ceil(verdict.retryAfterMs / 1_000) + 20 + 280 * random();
    at(backAtMs, (backMs) => send(client, attempt + 1, name, backMs));
  };

  for (const [i, client] of clients.entries()) at(client.atMs, (nowMs) => send(client, 1, String(i), nowMs));
  for (let event = events.first; event !== undefined; event = events.first) {
    events.remove(event);
    event.run(event.atMs);
  }
  return sendings;
}

/** Poisson arrivals of like requests, from `fromMs` to `untilMs`. */
export function arrivals(
  like: Omit<ClientRequest, "atMs">,
  {
    perSecond,
    fromMs = 0,
    untilMs,
  }: { readonly perSecond: number; readonly fromMs?: number; readonly untilMs: number },
  random: Random,
): ClientRequest[] {
  const clients: ClientRequest[] = [];
  for (let atMs = fromMs; ; ) {
    atMs += (-1_000 * Math.log(1 - random())) / perSecond;
    if (atMs >= untilMs) return clients;
    clients.push({ ...like, atMs });
  }
}

function asQueued(client: ClientRequest, name: string, nowMs: number, payload: Sent): QueuedRequest<Sent> {
  const { key, priority, promptTokens, outputTokens, patienceMs, sloTtftMs } = client;
  return {
    id: `${name}/${payload.attempt}`,
    fingerprint: name,
    key,
    priority,
    promptTokens,
    uncachedTokens: promptTokens,
    outputTokens,
    sloTtftMs,
    enqueuedAtMs: nowMs,
    deadlineAtMs: nowMs + patienceMs,
    payload,
  };
}

/** The smallest value that is not below the given share of them. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

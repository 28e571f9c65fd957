import type { PodOutcome } from "../routing/health/pod-outcome.ts";
import type { LimitSettings } from "../settings/settings.ts";
import { heardFrom, isAlive } from "./pod-pulse.ts";
import type { RequestTimer } from "./request-timer.ts";
import type { Upstream } from "./upstream.ts";

/**
 * Why an attempt did not get to where its answer can be committed. `connect`: the pod cannot be reached. `status`: it
 * answered with one of `moveStatuses`. `broken`: its answer ended before the first byte of its body. `stalled`: that
 * byte did not come in time.
 */
export type AttemptFailure =
  | { readonly kind: "connect" | "broken" | "stalled"; readonly message: string }
  | { readonly kind: "status"; readonly response: Response };

/**
 * An answer that can be committed. `whole`: all of a short body is here. `begun`: a stream's first bytes, and a reader
 * of `response.body` for the rest.
 */
export type Answered =
  | { readonly kind: "whole"; readonly response: Response; readonly bytes: Uint8Array<ArrayBuffer> }
  | BegunAnswer;

export type BegunAnswer = {
  readonly kind: "begun";
  readonly response: Response;
  readonly first: Uint8Array;
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
};

export type AttemptResult =
  | { readonly ok: true; readonly answered: Answered }
  | { readonly ok: false; readonly failure: AttemptFailure };

/** One request to one pod. */
export type AttemptOrder = {
  readonly podId: string;
  readonly upstream: Upstream;
  readonly path: string;
  readonly init: RequestInit;
  /** Cancels the attempt, from outside too: it then ends with a failure. */
  readonly controller: AbortController;
  /** Whether the client asked for a stream: only then does a first byte say that the pod has begun to generate. */
  readonly streamed: boolean;
  readonly limits: LimitSettings;
  readonly timer: RequestTimer;
  /** Called with the headers of an event stream that the pod has accepted, ahead of its first byte. */
  readonly onAccepted: (response: Response) => void;
  /** Whether to leave a pod that is late, and for which there is another one. Without one a slow pod is waited for. */
  readonly mayMove: (late: Lateness) => Promise<boolean>;
};

/** How late a first byte is: for longer than may ever be, or perhaps for longer than was predicted. */
export type Lateness = "by_limit" | "by_prediction";

/** Answers that are no streams are read whole up to this size: one that breaks off can still move. */
const WHOLE_ANSWER_BYTES = 1024 * 1024;

/**
 * One attempt on one pod. Engines send their headers at admission, so a stream is answered by its first body byte, not
 * by them.
 */
export async function attempt(order: AttemptOrder): Promise<AttemptResult> {
  const { timer } = order;
  const watch = new AttemptWatch(order);
  try {
    return await send(order, watch);
  } finally {
    watch.end();
    timer.clear("connect");
    timer.clear("attempt");
  }
}

async function send(order: AttemptOrder, watch: AttemptWatch): Promise<AttemptResult> {
  const { upstream, path, init, controller, limits } = order;
  let response: Response;
  try {
    response = await upstream(path, { ...init, signal: controller.signal });
  } catch (error) {
    return failed(watch.failure ?? { kind: "connect", message: messageOf(error) });
  }
  heardFrom(order.podId, Date.now());
  order.timer.clear("connect");
  if (limits.moveStatuses.includes(response.status)) return failed({ kind: "status", response });
  if (response.body === null) return { ok: true, answered: { kind: "whole", response, bytes: new Uint8Array(0) } };
  if (response.ok && isEventStream(response)) order.onAccepted(response);
  try {
    // One native call where the length is known: most answers that are no streams.
    if (Number(response.headers.get("content-length") ?? Number.NaN) <= WHOLE_ANSWER_BYTES) {
      return whole(response, new Uint8Array(await response.arrayBuffer()));
    }
    return await readUntilCommit(response, response.body.getReader());
  } catch (error) {
    return failed(watch.failure ?? { kind: "broken", message: messageOf(error) });
  }
}

/** Cancels an attempt on a pod that cannot be reached, or from which no first byte comes. */
class AttemptWatch {
  /** Why the attempt was cancelled, if it was from here. */
  failure: AttemptFailure | undefined;
  readonly #order: AttemptOrder;
  readonly #sentMs = Date.now();
  #ended = false;

  constructor(order: AttemptOrder) {
    this.#order = order;
    this.#watchConnection();
    if (order.streamed) this.#watchFirstByte();
  }

  /** The attempt is over: an answer that is passed on must not be cancelled by a question that is still open. */
  end(): void {
    this.#ended = true;
  }

  #watchConnection(): void {
    const { podId: id, upstream, limits, timer } = this.#order;
    timer.set("connect", limits.connectMs, async () => {
      // Silence alone tells nothing: an answer that is no stream has its headers when it is all there.
      if (await isAlive({ id, upstream }, this.#sentMs, { times: 1, eachMs: limits.connectMs })) return;
      this.#give({ kind: "connect", message: "the pod gave no sign of life" });
    });
  }

  #watchFirstByte(): void {
    const { limits, timer, mayMove } = this.#order;
    const { attemptFirstByteMs, overdueMs } = limits;
    const leftMs = attemptFirstByteMs - (Date.now() - this.#sentMs);
    const nextMs = leftMs <= 0 ? attemptFirstByteMs : Math.min(leftMs, overdueMs);
    timer.set("attempt", nextMs, async () => {
      const waitedMs = Date.now() - this.#sentMs;
      const late = waitedMs >= attemptFirstByteMs ? "by_limit" : "by_prediction";
      if (await mayMove(late)) this.#give({ kind: "stalled", message: `no byte within ${waitedMs} ms` });
      else if (!this.#ended) this.#watchFirstByte();
    });
  }

  #give(failure: AttemptFailure): void {
    if (this.#ended) return;
    this.failure ??= failure;
    this.#order.controller.abort();
  }
}

/** What an attempt's failure says of its pod. */
export function podOutcomeOf(failure: AttemptFailure): PodOutcome {
  switch (failure.kind) {
    case "connect":
      return "connect_failed";
    case "status":
      return failure.response.status >= 500 ? "server_error" : "rejected";
    case "broken":
      return "truncated";
    case "stalled":
      return "stalled";
  }
}

async function readUntilCommit(
  response: Response,
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<AttemptResult> {
  const streaming = isEventStream(response);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    chunks.push(value);
    length += value.byteLength;
    if (streaming || length > WHOLE_ANSWER_BYTES) {
      return { ok: true, answered: { kind: "begun", response, first: concatenated(chunks, length), reader } };
    }
  }
  return whole(response, concatenated(chunks, length));
}

function whole(response: Response, bytes: Uint8Array<ArrayBuffer>): AttemptResult {
  if (bytes.byteLength > 0 || !response.ok) return { ok: true, answered: { kind: "whole", response, bytes } };
  return failed({ kind: "broken", message: "the answer ended before its first byte" });
}

/** Whether an answer is a server-sent event stream. */
export function isEventStream(response: Response): boolean {
  return response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
}

function failed(failure: AttemptFailure): AttemptResult {
  return { ok: false, failure };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function concatenated(chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}

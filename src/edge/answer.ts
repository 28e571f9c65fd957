import type { PodOutcome } from "../routing/health/pod-outcome.ts";
import { type Answered, isEventStream } from "./attempt.ts";
import type { HeldLease } from "./held-lease.ts";
import { StreamUsage, type Usage, usageInJson } from "./usage.ts";

/** What passing an answer on needs to know of its request. */
export type AnswerContext = {
  readonly lease: HeldLease;
  readonly waitUntil: (work: Promise<unknown>) => void;
  readonly clientLeft: () => boolean;
  /** Headers the edge adds. */
  readonly headers: Headers;
  /** How the usage of a stream is read: not at all, in passing, or in passing and taken out again. */
  readonly streamUsage: "skip" | "read" | "strip";
  /** Called now and then while a stream runs. */
  readonly onTick: () => void;
  /** Called once, when the answer is over either way. */
  readonly over: () => void;
};

type Begun = Extract<Answered, { kind: "begun" }>;

const encoder = new TextEncoder();

/** Commits an answer: passes it on to the client and closes its lease at the end. */
export function passOn(answered: Answered, context: AnswerContext): Response {
  const { response } = answered;
  const init = { status: response.status, headers: replyHeaders(response, context.headers) };
  if (answered.kind === "whole") {
    const { bytes } = answered;
    const podOutcome = response.ok ? "answered" : response.status < 500 ? "rejected" : "server_error";
    conclude(context, response.ok ? "completed" : "failed", response.ok ? usageInJson(bytes) : undefined, podOutcome);
    return new Response(bytes.byteLength === 0 ? null : bytes, init);
  }
  const { readable, writable } = new IdentityTransformStream();
  context.lease.startRenewing(context.onTick);
  const reads = context.streamUsage !== "skip" && isEventStream(response);
  context.waitUntil(reads ? pump(answered, writable, context) : pipe(answered, writable, context));
  return new Response(readable, init);
}

/** Native piping. The identity stream keeps this request's context, and so its lease, alive to the last byte. */
async function pipe(
  { response, first, reader }: Begun,
  writable: WritableStream,
  context: AnswerContext,
): Promise<void> {
  try {
    const writer = writable.getWriter();
    await writer.write(first);
    writer.releaseLock();
    reader.releaseLock();
    await (response.body as ReadableStream<Uint8Array>).pipeTo(writable, { preventAbort: true });
    conclude(context, "completed", undefined);
  } catch (error) {
    await breakOff(response, writable, context, error);
  }
}

/** Piping in JavaScript, to read the usage in passing: three to four times the CPU of `pipe`. */
async function pump(
  { response, first, reader }: Begun,
  writable: WritableStream,
  context: AnswerContext,
): Promise<void> {
  const usage = new StreamUsage(context.streamUsage === "strip");
  const writer = writable.getWriter();
  try {
    for (let chunk: Uint8Array | undefined = first; chunk !== undefined; chunk = (await reader.read()).value) {
      const passed = usage.push(chunk);
      if (passed.byteLength > 0) await writer.write(passed);
    }
    const rest = usage.end();
    if (rest.byteLength > 0) await writer.write(rest);
    await writer.close();
    conclude(context, "completed", usage.usage);
  } catch (error) {
    reader.cancel(error).catch(() => {
      // The upstream side is the one that broke: there is nothing left to cancel.
    });
    writer.releaseLock();
    await breakOff(response, writable, context, error);
  }
}

/** A stream broke after its commit: an error event says so, and there is no `[DONE]`. Any other body is cut off. */
async function breakOff(
  response: Response,
  writable: WritableStream,
  context: AnswerContext,
  error: unknown,
): Promise<void> {
  const left = context.clientLeft();
  conclude(context, left ? "client_left" : "failed", undefined);
  if (left) return;
  try {
    const writer = writable.getWriter();
    if (!isEventStream(response)) return await writer.abort(error);
    const message = "The pod's answer broke off. What came before is incomplete.";
    const body = { error: { message, type: "api_error", param: null, code: "upstream_failed" } };
    await writer.write(encoder.encode(`data: ${JSON.stringify(body)}\n\n`));
    await writer.close();
  } catch {
    // The client left at the same moment: nobody is there to be told.
  }
}

function conclude(
  context: AnswerContext,
  kind: "completed" | "failed" | "client_left",
  usage: Usage | undefined,
  podOutcome?: PodOutcome,
): void {
  context.over();
  context.waitUntil(context.lease.finish({ kind, podOutcome, ...usage }));
}

function replyHeaders(response: Response, added: Headers): Headers {
  const headers = new Headers(response.headers);
  headers.delete("connection");
  headers.delete("keep-alive");
  headers.delete("transfer-encoding");
  headers.delete("content-length");
  for (const [name, value] of added) headers.set(name, value);
  return headers;
}

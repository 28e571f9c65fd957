import type { MoveReply, RefusedRequest } from "../../durable/routing-rpc.ts";
import type { Settings } from "../settings/settings.ts";
import { passOn } from "./answer.ts";
import { type AttemptFailure, attempt } from "./attempt.ts";
import type { Env } from "./env.ts";
import type { HeldLease } from "./held-lease.ts";
import { log } from "./log.ts";
import { Refusal } from "./refusal.ts";
import { upstreamHeaders, upstreamTo } from "./upstream.ts";

/** A request that has a lease and is ready to be sent. */
export type Forwarding = {
  readonly env: Env;
  readonly settings: Settings;
  readonly lease: HeldLease;
  readonly client: Request;
  readonly requestId: string;
  readonly path: string;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly streamUsage: "skip" | "read" | "strip";
  /** The edge's clock at the request's arrival. */
  readonly arrivedMs: number;
  /** Time from arrival to the lease. */
  readonly routeMs: number;
  readonly waitUntil: (work: Promise<unknown>) => void;
  /** The body's bytes are no longer needed. */
  readonly releaseBody: () => void;
  /** Headers that tell of the placement in force. */
  readonly describe: (lease: HeldLease, headers: Headers) => void;
};

/**
 * Sends a request to its pod and, until an answer can be committed, to others: each pod once, within one deadline.
 * Every way out of here closes the lease.
 */
export async function forward(forwarding: Forwarding): Promise<Response> {
  const { lease, client, settings, arrivedMs, waitUntil } = forwarding;
  const { limits } = settings;
  const abort = new AbortController();
  const leave = () => abort.abort(new Refusal("client_left", "The client left."));
  client.signal.addEventListener("abort", leave);
  const clientLeft = () => client.signal.aborted;
  const untilFirstByte = setTimeout(
    () => abort.abort(new Refusal("deadline_exceeded", `No pod answered within ${limits.firstByteMs} ms. Retry.`)),
    Math.max(1, arrivedMs + limits.firstByteMs - Date.now()),
  );
  const close = (kind: "failed" | "client_left") => {
    forwarding.releaseBody();
    client.signal.removeEventListener("abort", leave);
    waitUntil(lease.finish({ kind }));
  };

  try {
    for (let attempts = 1; ; attempts++) {
      const { answered, failure, sentMs } = await send(forwarding, abort.signal);
      if (answered !== undefined) {
        const waitMs = Date.now() - sentMs;
        if (answered.kind === "begun") lease.firstToken(waitMs);
        forwarding.releaseBody();
        const headers = new Headers({
          "x-request-id": forwarding.requestId,
          "x-warmpath-attempts": String(attempts),
          "server-timing": `route;dur=${forwarding.routeMs}, pod;dur=${waitMs}`,
        });
        forwarding.describe(lease, headers);
        const { streamUsage } = forwarding;
        const over = () => client.signal.removeEventListener("abort", leave);
        const onTick = () => {
          if (Date.now() > arrivedMs + limits.totalMs) abort.abort();
        };
        return passOn(answered, { lease, waitUntil, clientLeft, headers, streamUsage, onTick, over });
      }
      if (abort.signal.aborted) throw abort.signal.reason;
      const moved = attempts < limits.attempts ? await lease.move() : undefined;
      if (moved?.ok !== true) return lastFailure(failure, attempts, moved, close);
    }
  } catch (error) {
    close(clientLeft() ? "client_left" : "failed");
    throw error;
  } finally {
    clearTimeout(untilFirstByte);
  }
}

async function send(forwarding: Forwarding, signal: AbortSignal) {
  const { env, settings, lease, client, path, body, requestId } = forwarding;
  const cluster = settings.clusters.find(({ name }) => name === lease.pod.cluster);
  const headers = upstreamHeaders(client.headers, cluster, env, requestId);
  const sentMs = Date.now();
  const init: RequestInit = { method: client.method, headers, body, signal, redirect: "manual" };
  const result = await attempt(upstreamTo(lease.pod, settings), path, init, settings.limits);
  if (result.ok) return { answered: result.answered, failure: undefined, sentMs };
  log("warn", "attempt_failed", { requestId, pod: lease.pod.id, ...described(result.failure) });
  return { answered: undefined, failure: result.failure, sentMs };
}

/** No pod is left to try: an engine's own answer goes to the client, anything else becomes a 502. */
function lastFailure(
  failure: AttemptFailure | undefined,
  attempts: number,
  moved: MoveReply | RefusedRequest | undefined,
  close: (kind: "failed") => void,
): Response {
  close("failed");
  const headers = { "x-warmpath-attempts": String(attempts) };
  if (failure?.kind === "status") {
    const { response } = failure;
    const kept = new Headers({ ...headers, "x-warmpath-reason": "upstream_failed" });
    for (const name of ["content-type", "retry-after"]) {
      const value = response.headers.get(name);
      if (value !== null) kept.set(name, value);
    }
    return new Response(response.body, { status: response.status, headers: kept });
  }
  const tried = moved?.ok === false && moved.reason === "no_endpoints" ? "every pod" : `${attempts} pods`;
  throw new Refusal("upstream_failed", `The request failed on ${tried} before an answer began. Retry.`, { headers });
}

function described(failure: AttemptFailure): Record<string, string | number> {
  return failure.kind === "status"
    ? { failure: failure.kind, status: failure.response.status }
    : { failure: failure.kind, message: failure.message };
}

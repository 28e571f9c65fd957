import type { Settings } from "../settings/settings.ts";
import type { Env } from "./env.ts";
import { ForwardedRequest } from "./forwarded-request.ts";
import type { HeldLease } from "./held-lease.ts";
import type { RequestTimer } from "./request-timer.ts";

/** A request that has a lease and is ready to be sent. */
export type Forwarding = {
  readonly env: Env;
  readonly settings: Settings;
  readonly lease: HeldLease;
  readonly timer: RequestTimer;
  readonly client: Request;
  /** The client asked for a stream. */
  readonly streamed: boolean;
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
 * Resolves with the answer's headers, rejects with a Refusal; either way the work goes on until the lease is closed.
 */
export function forward(forwarding: Forwarding): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  forwarding.waitUntil(new ForwardedRequest(forwarding, resolve, reject).run());
  return promise;
}

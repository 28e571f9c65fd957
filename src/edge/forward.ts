import type { Settings } from "../settings/settings.ts";
import type { ClientAnswer } from "./client-answer.ts";
import type { Env } from "./env.ts";
import { errorEvent } from "./error-event.ts";
import { ForwardedRequest } from "./forwarded-request.ts";
import type { HeldLease } from "./held-lease.ts";
import { Refusal } from "./refusal.ts";
import type { RequestTimer } from "./request-timer.ts";

/** A request that is ready to be placed and sent. */
export type Forwarding = {
  readonly env: Env;
  readonly settings: Settings;
  /** Gets a pod and a lease on it. Rejects with a Refusal if there is none. */
  readonly place: () => Promise<HeldLease>;
  readonly answer: ClientAnswer;
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
  /** The body's bytes are no longer needed. */
  readonly releaseBody: () => void;
  /** Headers that tell of the placement in force. */
  readonly describe: (lease: HeldLease, headers: Headers) => void;
};

/**
 * Gets a request its pod and sends it there and, until an answer can be committed, to others: each pod once, within one
 * deadline. Resolves when the answer is over and the lease closed, whichever way.
 */
export async function forward(forwarding: Forwarding): Promise<void> {
  const { answer, timer, releaseBody } = forwarding;
  try {
    const lease = await placed(forwarding);
    if (lease !== undefined) await new ForwardedRequest(forwarding, lease).run();
  } finally {
    releaseBody();
    await answer.close();
    timer.stop();
  }
}

async function placed({ place, answer }: Forwarding): Promise<HeldLease | undefined> {
  try {
    const lease = await place();
    if (answer.stream === undefined) answer.stopComments();
    return lease;
  } catch (error) {
    if (answer.stream === undefined || !(error instanceof Refusal)) answer.refuse(error);
    else await answer.breakOff(errorEvent(error), error.headers);
    return undefined;
  }
}

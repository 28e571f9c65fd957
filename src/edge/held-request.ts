import type { HeldReply, RouteReply } from "../../durable/routing-rpc.ts";
import { errorText } from "./log.ts";
import { Refusal } from "./refusal.ts";

/** How long a request may wait for a pod. */
export type Patience = {
  /** Until its client leaves, */
  readonly left: AbortSignal;
  /** or until this moment of the edge's clock. */
  readonly untilMs: number;
  /** Called when the wait begins. */
  readonly onHeld: () => void;
};

/** The router that held a request is gone, and the request's place with it. */
export class PlaceLost extends Error {}

/**
 * Waits for a held request's place. Whichever way this ends the router is told: what is not waited for any more leaves
 * the queue at once. Throws a Refusal if the client leaves, and PlaceLost if the router is reset.
 */
export async function awaitPlace(reply: HeldReply, { left, untilMs, onHeld }: Patience): Promise<RouteReply> {
  const { promise: ended, resolve, reject } = Promise.withResolvers<RouteReply>();
  const leave = () => reject(new Refusal("client_left", "The client left."));
  // The router refuses at the deadline; this is for a router that is late.
  const timer = setTimeout(
    () => resolve({ ok: false, reason: "waited_too_long", retryAfterMs: 1_000 }),
    Math.max(1, untilMs - Date.now()),
  );
  left.addEventListener("abort", leave);
  onHeld();
  try {
    if (left.aborted) leave();
    // As for `route`: the runtime's type wraps what the method returns.
    const placed = (reply.place.placed() as unknown as Promise<RouteReply>).catch((error) => {
      throw new PlaceLost(errorText(error));
    });
    return await Promise.race([placed, ended]);
  } finally {
    clearTimeout(timer);
    left.removeEventListener("abort", leave);
    (reply as unknown as Disposable)[Symbol.dispose]();
  }
}

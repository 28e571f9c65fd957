import type { HeldReply, RouteCall, RouteReply } from "../../durable/routing-rpc.ts";
import type { Env } from "./env.ts";
import { awaitPlace, type Patience } from "./held-request.ts";
import { errorText, log } from "./log.ts";
import type { ResolvedModel } from "./model-resolution.ts";
import { routerStub } from "./placement.ts";
import { Refusal } from "./refusal.ts";

/** A failed call to a Durable Object, by what the caller may do about it. Set by the runtime on the error. */
type ObjectFailure = {
  readonly retryable?: boolean;
  readonly overloaded?: boolean;
  readonly durableObjectReset?: boolean;
};

/**
 * Asks a model's router for a pod. A reset object (every deploy resets a busy one) is asked once more by a fresh stub;
 * an overloaded one never is. A request that is held waits here, as long as its client and its deadline let it.
 */
export async function callRoute(
  env: Env,
  model: ResolvedModel,
  call: RouteCall,
  patience: Patience,
): Promise<RouteReply> {
  try {
    return await route(env, model, call, patience);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    const { retryable, overloaded, durableObjectReset } = error as ObjectFailure;
    if (overloaded || !(retryable || durableObjectReset)) throw unavailable(error);
  }
  try {
    return await route(env, model, call, patience);
  } catch (error) {
    throw error instanceof Refusal ? error : unavailable(error);
  }
}

async function route(env: Env, model: ResolvedModel, call: RouteCall, patience: Patience): Promise<RouteReply> {
  const timed = { ...call, deadlineMs: Math.max(1, patience.untilMs - Date.now()) };
  // The runtime's result type wraps every member in stubs; the shape is the method's own.
  const reply = (await routerStub(env, model.base, model.settings.region).route(timed)) as unknown as
    | RouteReply
    | HeldReply;
  return !reply.ok && reply.reason === "held" ? awaitPlace(reply, patience) : reply;
}

function unavailable(error: unknown): Refusal {
  log("error", "router_call_failed", { error: errorText(error) });
  return new Refusal("router_unavailable", "The router of this model cannot be reached. Retry shortly.", {
    headers: { "retry-after": "1" },
  });
}

import type {
  AdoptCall,
  AdoptReply,
  HeldReply,
  RefusedRequest,
  RouteCall,
  RoutedRequest,
  RouteReply,
} from "../../durable/routing-rpc.ts";
import type { LimitSettings } from "../settings/settings.ts";
import { routeDegraded, takingPods } from "./degraded-route.ts";
import type { Env } from "./env.ts";
import { awaitPlace, type Patience, PlaceLost } from "./held-request.ts";
import { lastSeenPods, podsWanted, rememberPods } from "./known-pods.ts";
import { errorText, log } from "./log.ts";
import type { ResolvedModel } from "./model-resolution.ts";
import { routerName, routerStub } from "./placement.ts";
import { Refusal } from "./refusal.ts";
import type { Phase, RequestTimer } from "./request-timer.ts";
import { type DegradedReason, RouterCircuit } from "./router-circuit.ts";
import { limited, TimedOut } from "./time-limit.ts";

/** A failed call to a Durable Object, by what the caller may do about it. Set by the runtime on the error. */
type ObjectFailure = {
  readonly retryable?: boolean;
  readonly overloaded?: boolean;
  readonly durableObjectReset?: boolean;
};

type OpenedRoute = Extract<RouteReply, { ok: true }>;

/** A placed request: with the lease that the router opened, or with the reason why there is none. */
export type PlacedRequest = RoutedRequest &
  (
    | { readonly lease: OpenedRoute["lease"]; readonly degraded?: undefined }
    | { readonly lease?: undefined; readonly degraded: DegradedReason }
  );

/** An empty router is believed once nothing was seen of its pods for this long. */
const EMPTY_BELIEVED_MS = 30_000;

const circuits = new Map<string, RouterCircuit>();

/** What a request's calls to its model's router have in common. */
export type RouterCallSettings = {
  readonly env: Env;
  readonly model: ResolvedModel;
  readonly limits: LimitSettings;
  readonly timer: RequestTimer;
  /** The client's `x-session-id`. */
  readonly session: string | undefined;
  /** How long it may be held until a pod has room. */
  readonly patience: Patience;
};

/** One request's way to its model's router, and around it while it cannot be asked. */
export class RouterCalls {
  readonly #settings: RouterCallSettings;
  readonly #name: string;
  readonly #circuit: RouterCircuit;

  constructor(settings: RouterCallSettings) {
    const { model } = settings;
    this.#settings = settings;
    this.#name = routerName(model.base, model.settings.region);
    this.#circuit = circuits.get(this.#name) ?? new RouterCircuit(Math.random);
    circuits.set(this.#name, this.#circuit);
  }

  /**
   * Asks for a pod. A reset object (every deploy resets a busy one) is asked once more by a fresh stub, an overloaded
   * one never; then the Worker places the request by itself. A request that the router holds waits here for its place,
   * as long as its client and its deadline let it. Throws a Refusal if the client leaves meanwhile, or if there is
   * neither a router nor a pod ever seen.
   */
  async route(call: RouteCall): Promise<PlacedRequest | RefusedRequest> {
    const refused = this.#circuit.refuses(Date.now());
    if (refused !== undefined) return this.#routeDegraded(call, refused);
    const asked = podsWanted(this.#name, Date.now()) ? { ...call, podsWanted: true } : call;
    let failure: DegradedReason | "reset" = "reset";
    for (let calls = 0; failure === "reset" && calls < 2; calls++) {
      try {
        return (await this.#ask(asked)) ?? this.#routeDegraded(call, "router_empty");
      } catch (error) {
        if (error instanceof Refusal) throw error;
        failure = reasonOf(error);
        log("warn", "router_call_failed", { router: this.#name, failure, error: errorText(error) });
      }
    }
    const reason = failure === "reset" ? "router_unreachable" : failure;
    this.#circuit.failed(reason, Date.now());
    return this.#routeDegraded(call, reason);
  }

  /** Whether a pod for the call is known here, or none is known at all. */
  mayPlace(call: RouteCall): boolean {
    const pods = lastSeenPods(this.#name)?.pods ?? [];
    return pods.length === 0 || takingPods(call, pods).length > 0;
  }

  /** Has a lease taken over by the router's present instance. Undefined while it is not to be called. */
  async adopt(call: AdoptCall): Promise<AdoptReply | undefined> {
    if (this.#circuit.refuses(Date.now()) !== undefined) return undefined;
    const reply = await this.limited("renewal", this.#stub().adopt(call) as unknown as Promise<AdoptReply>, letGo);
    this.#circuit.answered();
    return reply;
  }

  /** Waits for the router for `routeMs`, then rejects with TimedOut. */
  limited<T>(phase: Phase, called: Promise<T>, onLate: (value: T) => void = () => undefined): Promise<T> {
    const { timer, limits } = this.#settings;
    return limited(called, { timer, phase, withinMs: limits.routeMs, onLate });
  }

  /** Undefined: the router has lost its pods, and what this isolate has seen of them is better. */
  async #ask(call: RouteCall): Promise<RouteReply | undefined> {
    const { patience } = this.#settings;
    const timed = { ...call, deadlineMs: Math.max(1, patience.untilMs - Date.now()) };
    // The runtime's result type wraps every member in stubs; the shape is the method's own.
    const asked = this.#stub().route(timed) as unknown as Promise<RouteReply | HeldReply>;
    const first = await this.limited("route", asked, letGo);
    this.#circuit.answered();
    if (this.#isEmptied(first)) {
      letGo(first);
      return undefined;
    }
    const reply = !first.ok && first.reason === "held" ? await awaitPlace(first, patience) : first;
    if (reply.ok && reply.pods !== undefined) rememberPods(this.#name, reply.pods, Date.now());
    return reply;
  }

  #stub() {
    const { env, model } = this.#settings;
    return routerStub(env, model.base, model.settings.region);
  }

  /** A router that lost its state knows no pod until its collectors' next pushes, a second or two. */
  #isEmptied(reply: RouteReply | HeldReply): boolean {
    if (reply.ok || (reply.reason !== "no_endpoints" && reply.reason !== "held") || reply.podsKnown > 0) return false;
    const known = lastSeenPods(this.#name);
    return known !== undefined && known.pods.length > 0 && Date.now() - known.atMs < EMPTY_BELIEVED_MS;
  }

  #routeDegraded(call: RouteCall, degraded: DegradedReason): PlacedRequest | RefusedRequest {
    const { session } = this.#settings;
    const pods = lastSeenPods(this.#name)?.pods ?? [];
    const placed = routeDegraded(call, pods, { session, random: Math.random });
    if (placed !== undefined) return { ...placed, degraded };
    if (pods.length > 0) return { ok: false, reason: "no_endpoints", podsKnown: pods.length };
    throw new Refusal("router_unavailable", "The router of this model cannot be reached. Retry shortly.", {
      headers: { "retry-after": "1" },
    });
  }
}

/** A reply that is of no use any more is let go of, and its lease or its place in the queue with it. */
function letGo(reply: RouteReply | HeldReply | AdoptReply): void {
  const kept = reply.ok ? reply.lease : "held" in reply ? reply : undefined;
  (kept as unknown as Disposable | undefined)?.[Symbol.dispose]();
}

function reasonOf(error: unknown): DegradedReason | "reset" {
  const { retryable, overloaded, durableObjectReset } = error as ObjectFailure;
  if (overloaded === true) return "router_overloaded";
  if (error instanceof TimedOut) return "router_silent";
  if (error instanceof PlaceLost) return "reset";
  return retryable === true || durableObjectReset === true ? "reset" : "router_unreachable";
}

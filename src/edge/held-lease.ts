import type {
  FinishCall,
  MoveCall,
  MoveReply,
  RouteCall,
  RoutedPod,
  RoutedRequest,
} from "../../durable/routing-rpc.ts";
import { errorText, log } from "./log.ts";
import type { RequestTimer } from "./request-timer.ts";
import type { PlacedRequest, RouterCalls } from "./router-call.ts";
import type { DegradedReason } from "./router-circuit.ts";

/** How often a lease is renewed, in ms; it falls after three times as long. */
const RENEW_MS = 5_000;

/** What a lease is made of. */
export type LeaseOrigin = {
  readonly router: RouterCalls;
  readonly call: RouteCall;
  readonly placed: PlacedRequest;
  readonly openedMs: number;
};

/**
 * A request's lease as the Worker holds it. Calls that only inform are not waited for: if one fails, the router was
 * reset, and the next renewal has the lease adopted by the new instance. A request that the Worker placed by itself
 * has no lease at first; it gets one the same way once the router answers again.
 */
export class HeldLease {
  readonly #router: RouterCalls;
  readonly #call: RouteCall;
  readonly #openedMs: number;
  readonly #tried: string[] = [];
  #placed: PlacedRequest;
  #lease: PlacedRequest["lease"];
  /** The instance that holds the lease knows its request too, and can move it. */
  #movable: boolean;
  #timer: RequestTimer | undefined;
  #firstTokenSeen = false;
  #closed = false;

  constructor({ router, call, placed, openedMs }: LeaseOrigin) {
    this.#router = router;
    this.#call = call;
    this.#placed = placed;
    this.#lease = placed.lease;
    this.#movable = placed.lease !== undefined;
    this.#openedMs = openedMs;
  }

  get pod(): RoutedPod {
    return this.#placed.pod;
  }

  /** The placement now in force: of the last move, if there was one. */
  get placement(): RoutedRequest {
    return this.#placed;
  }

  /** Why the Worker placed the request by itself; undefined if it did not. */
  get degraded(): DegradedReason | undefined {
    return this.#placed.degraded;
  }

  /** Whether there is a pod that the request has not tried. */
  async mayMove(): Promise<boolean> {
    const excludedPods = [...this.#tried, this.pod.id];
    const { model } = this.#call;
    try {
      const asked = this.#lease?.mayMove({ model, excludedPods }) as unknown as Promise<boolean> | undefined;
      if (asked !== undefined) return await this.#router.limited("route", asked);
    } catch {
      // The instance that holds the lease is gone, or older than the question: what this isolate last heard decides.
    }
    return this.#router.mayPlace({ ...this.#call, excludedPods });
  }

  /** Whether the pod seems to have lost the request, and there is a better one. Not without a router to tell. */
  async isOverdue(): Promise<boolean> {
    const { model } = this.#call;
    const call = { model, excludedPods: [...this.#tried, this.pod.id] };
    try {
      const asked = this.#lease?.isOverdue(call) as unknown as Promise<boolean> | undefined;
      return asked !== undefined && (await this.#router.limited("route", asked));
    } catch {
      // The instance that holds the lease is gone, or older than the question: the request goes on waiting.
      return false;
    }
  }

  /** Keeps the lease alive from now on, from this request's own event. */
  keepAlive(timer: RequestTimer): void {
    this.#timer = timer;
    timer.set("renew", RENEW_MS, () => {
      void this.#renew().finally(() => {
        if (!this.#closed) this.keepAlive(timer);
      });
    });
  }

  firstToken(waitMs: number): void {
    this.#firstTokenSeen = true;
    if (this.#lease !== undefined) void informed(this.#lease.firstToken({ waitMs }));
  }

  /**
   * Places the request on a pod it has not tried. If the instance that opened the lease is gone, the request is routed
   * anew: a fresh one knows nothing of its prompt. Throws a Refusal if there is no router and no known pod.
   */
  async move(reason: MoveCall): Promise<MoveReply> {
    this.#tried.push(this.pod.id);
    if (this.#movable && this.#lease !== undefined) {
      try {
        const lease = this.#lease;
        const moved = await this.#router.limited("route", lease.move(reason) as unknown as Promise<MoveReply>);
        if (moved.ok) this.#placed = { ...moved, lease };
        // A lease that has fallen is unknown, and its request with it: then no pod is known either.
        if (moved.ok || moved.reason !== "no_endpoints" || moved.podsKnown > 0) return moved;
      } catch (error) {
        log("warn", "lease_move_failed", { leaseId: this.#placed.leaseId, error: errorText(error) });
      }
    }
    return this.#routeAnew(reason);
  }

  /**
   * Closes the lease. Nothing happens the second time. After the first token a completed answer without usage has
   * nothing to tell: disposal says it all and saves a call.
   */
  async finish(outcome: FinishCall): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.clear("renew");
    const lease = this.#lease;
    if (lease === undefined) return;
    const untold = outcome.kind !== "completed" || outcome.promptTokens !== undefined || !this.#firstTokenSeen;
    if (untold) await informed(this.#router.limited("renewal", lease.finish(outcome) as unknown as Promise<void>));
    dispose(lease);
  }

  async #routeAnew({ podOutcome }: MoveCall): Promise<MoveReply> {
    const insteadOf = { leaseId: this.#placed.leaseId, podOutcome };
    const placed = await this.#router.route({ ...this.#call, excludedPods: this.#tried, insteadOf });
    dispose(this.#lease);
    this.#lease = undefined;
    if (!placed.ok) return placed;
    // An object one release older excludes nothing: what it opened is closed again.
    if (this.#tried.includes(placed.pod.id)) {
      dispose(placed.lease);
      return { ok: false, reason: "no_endpoints", podsKnown: this.#tried.length };
    }
    this.#placed = placed;
    this.#lease = placed.lease;
    this.#movable = placed.lease !== undefined;
    return placed;
  }

  async #renew(): Promise<void> {
    let held = false;
    try {
      const renewal = this.#lease?.renew() as unknown as Promise<boolean> | undefined;
      held = renewal !== undefined && (await this.#router.limited("renewal", renewal));
    } catch {
      // The instance that opened the lease is gone, its stubs fail for ever, or it is silent. Adoption follows.
    }
    if (!held && !this.#closed) await this.#adopt();
  }

  async #adopt(): Promise<void> {
    const placed = this.#placed;
    const { leaseId, pod, promptTokens, matchedTokens } = placed;
    try {
      const reply = await this.#router.adopt({
        leaseId,
        podId: pod.id,
        epoch: pod.epoch,
        ageMs: Date.now() - this.#openedMs,
        firstTokenSeen: this.#firstTokenSeen,
        promptTokens,
        uncachedTokens: Math.max(0, promptTokens - matchedTokens),
      });
      if (reply?.ok !== true) return;
      if (this.#closed || this.#placed !== placed) return dispose(reply.lease);
      // The stub before it is kept until the request's end: disposing of it now would close the lease under its id.
      this.#lease = reply.lease;
      this.#movable = false;
    } catch (error) {
      // The new instance is not up yet: the next renewal tries again.
      log("warn", "lease_adoption_failed", { leaseId, error: errorText(error) });
    }
  }
}

/** A call whose failure changes nothing for the request: the lease is closed by its disposal or its age. */
async function informed(call: unknown): Promise<void> {
  try {
    await call;
  } catch (error) {
    log("warn", "lease_call_failed", { error: errorText(error) });
  }
}

/** Lets go of a lease; its object closes it, if it is still there. */
function dispose(lease: PlacedRequest["lease"]): void {
  (lease as unknown as Disposable | undefined)?.[Symbol.dispose]();
}

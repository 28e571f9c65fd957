import type { Arrival } from "./arrival.ts";
import type { HeldRequests, PromptWork } from "./held-requests.ts";
import { openPods, type RoomTerms, type WantedRoom } from "./open-pods.ts";
import type { HeldRequest, Placement, RouteRefusal, RouteRequest } from "./placement.ts";
import type { Pod } from "./pod.ts";
import type { QueuePreview } from "./queue/request-queue.ts";
import type { QueueRules } from "./routing-rules.ts";

/** What dispatching asks of the router. */
export type Placer = {
  /** Pods that could take the request, busy or not. */
  readonly podsFor: (request: RouteRequest, nowMs: number) => readonly Pod[];
  /** Lets the policy choose among the pods, which are not none, and opens the lease. */
  readonly place: (arrival: Arrival, pods: readonly Pod[], nowMs: number) => Placement | RouteRefusal;
  /** What the prompt comes to on the pod that holds most of it. */
  readonly workOf: (request: RouteRequest, pods: readonly Pod[]) => PromptWork;
  /** About how long the prompt is, without a look at the index. */
  readonly promptTokensOf: (request: RouteRequest) => number;
  readonly roomTerms: (nowMs: number) => Omit<RoomTerms, "limits">;
  /** All pods of all models, fit or not. */
  readonly pods: () => readonly Pod[];
  /** A held request got a pod, or waits no more. */
  readonly released: (heldId: string, result: Placement | RouteRefusal) => void;
};

/** What would become of a request now, and the pods its policy would choose among: if it is held, once they have room. */
export type Admission = {
  readonly kind: "placed" | "held" | "refused" | "held_without_pods" | "no_endpoints";
  readonly pods: readonly Pod[];
  /** Where it would have to wait. */
  readonly queue?: QueuePreview | undefined;
};

const NO_ROOM: WantedRoom = { promptTokens: 0, outputTokens: 0 };

/**
 * Decides when a request is placed: at once where a pod has room and nobody waits, else out of the queue when a pod has
 * room and it is its turn. The policy chooses the pod at that moment, not before.
 */
export class Dispatch {
  readonly #held: HeldRequests;
  readonly #placer: Placer;

  constructor(held: HeldRequests, placer: Placer) {
    this.#held = held;
    this.#placer = placer;
  }

  /** A request came, or the pods it waited for. */
  admit(arrival: Arrival, rules: QueueRules, nowMs: number): Placement | HeldRequest | RouteRefusal {
    const { request } = arrival;
    const placer = this.#placer;
    const pods = placer.podsFor(request, nowMs);
    if (pods.length === 0) {
      const podsKnown = placer.pods().length;
      const held = rules.enabled && isNew(request) ? this.#held.holdWithoutPods(arrival, podsKnown) : undefined;
      return held ?? { ok: false, reason: "no_endpoints", podsKnown };
    }
    // Who comes from a pod that failed is not made to wait, as by a move.
    if (!rules.enabled || !isNew(request)) return placer.place(arrival, pods, nowMs);
    if (this.#held.queued === 0) {
      const { open, roomy } = openPods(pods, this.#wanted(request), { limits: rules, ...placer.roomTerms(nowMs) });
      // A fleet with an open pod is not saturated: what is in a backlog there is the policy's to weigh.
      if (open.length > 0) return placer.place(arrival, roomy, nowMs);
    }
    const offered = this.#held.offer(arrival, placer.workOf(request, pods), pods, nowMs);
    if (offered.reason !== "held") return offered;
    return this.pump(rules, nowMs, arrival.id) ?? offered;
  }

  /** What `admit` would do with a request that came now. Changes nothing. */
  preview(arrival: Arrival, rules: QueueRules, nowMs: number): Admission {
    const { request } = arrival;
    const placer = this.#placer;
    const pods = placer.podsFor(request, nowMs);
    if (pods.length === 0) {
      const held = rules.enabled && isNew(request) && this.#held.mayHoldWithoutPods(rules);
      return { kind: held ? "held_without_pods" : "no_endpoints", pods };
    }
    if (!rules.enabled || !isNew(request)) return { kind: "placed", pods };
    if (this.#held.queued === 0) {
      const { open, roomy } = openPods(pods, this.#wanted(request), { limits: rules, ...placer.roomTerms(nowMs) });
      if (open.length > 0) return { kind: "placed", pods: roomy };
    }
    const queue = this.#held.preview(arrival, placer.workOf(request, pods), pods, nowMs);
    return { kind: queue.refused === undefined ? "held" : "refused", pods, queue };
  }

  /** Places those whose turn it is and that a pod has room for. Returns the placement of `newcomer`, if it is of them. */
  pump(rules: QueueRules, nowMs: number, newcomer?: string): Placement | undefined {
    let own: Placement | undefined;
    while (this.#held.queued > 0 && this.#anyOpen(rules, nowMs)) {
      const openFor = this.#openPodsFor(rules, nowMs);
      const next = this.#held.next(nowMs, (request) => openFor(request).length > 0);
      if (next === undefined) break;
      const placed = this.#placer.place(next, openFor(next.request), nowMs);
      if (next.id === newcomer && placed.ok) own = placed;
      else this.#placer.released(next.id, placed);
    }
    return own;
  }

  /** Pods were reported: those that waited for one to come up are dispatched. */
  podsReported(rules: QueueRules, nowMs: number): void {
    const served = this.#held.takeServed((request) => this.#placer.podsFor(request, nowMs).length > 0);
    for (const arrival of served) {
      const admitted = this.admit(arrival, rules, nowMs);
      if (admitted.ok || admitted.reason !== "held") this.#placer.released(arrival.id, admitted);
    }
  }

  /** Lets go of those whose time is over. */
  expire(nowMs: number): void {
    if (this.#held.size === 0) return;
    for (const { id, refusal } of this.#held.expire(nowMs, this.#placer.pods().length)) {
      this.#placer.released(id, refusal);
    }
  }

  /** Quick to say no, as it mostly is while requests wait. */
  #anyOpen(rules: QueueRules, nowMs: number): boolean {
    const ready = this.#placer.pods().filter(({ facts }) => facts.state === "ready");
    return openPods(ready, NO_ROOM, { limits: rules, ...this.#placer.roomTerms(nowMs) }).open.length > 0;
  }

  /**
   * The pods that are open to a request. Good until the next placement. Pods that are closed to the smallest request are
   * sorted out once for all that ask.
   */
  #openPodsFor(rules: QueueRules, nowMs: number): (request: RouteRequest) => readonly Pod[] {
    const terms = { limits: rules, ...this.#placer.roomTerms(nowMs) };
    const byModel = new Map<string, readonly Pod[]>();
    return (request) => {
      let pods = byModel.get(request.model);
      if (pods === undefined) {
        pods = openPods(this.#placer.podsFor(request, nowMs), NO_ROOM, terms).open;
        byModel.set(request.model, pods);
      }
      return pods.length === 0 ? pods : openPods(pods, this.#wanted(request), terms).open;
    };
  }

  #wanted(request: RouteRequest): WantedRoom {
    return {
      promptTokens: this.#placer.promptTokensOf(request),
      outputTokens: this.#held.outputTokensOf(request),
    };
  }
}

/** Whether no pod has failed it before: every pod of its model is one for it. */
function isNew({ excludedPods = [] }: RouteRequest): boolean {
  return excludedPods.length === 0;
}

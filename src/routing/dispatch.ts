import type { Arrival } from "./arrival.ts";
import { type Dispatched, DispatchPass } from "./dispatch-pass.ts";
import type { HeldRequests } from "./held-requests.ts";
import { LastPass } from "./last-pass.ts";
import type { HeldRequest, Placement, RouteRefusal, RouteRequest } from "./placement.ts";
import type { Placer, PodChoice } from "./placer.ts";
import type { Pod } from "./pod.ts";
import type { QueuePreview } from "./queue/request-queue.ts";
import type { QueueRules } from "./routing-rules.ts";

/** What would become of a request now, and the pods its policy would choose among: if it is held, once they have room. */
export type Admission = {
  readonly kind: "placed" | "held" | "refused" | "held_without_pods" | "no_endpoints";
  readonly pods: readonly Pod[];
  /** Where it would have to wait. */
  readonly queue?: QueuePreview | undefined;
};

/**
 * Decides when a request is placed: at once where the pod it is best for has room and nobody waits, else out of the queue
 * when that pod has room and it is its turn. The policy chooses at that moment, not before.
 */
export class Dispatch {
  readonly #held: HeldRequests;
  readonly #placer: Placer;
  readonly #lastPass = new LastPass();
  /** Of the last request that found nobody waiting and did not have to wait itself. */
  #freePass: DispatchPass | undefined;

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
    if (!rules.enabled || !isNew(request)) return opened(placer.choose(arrival, pods, nowMs));
    const alone = this.#held.queued === 0;
    if (alone) {
      const choice = this.#choiceAlone(arrival, rules, nowMs);
      if (choice !== undefined) return opened(choice);
    }
    const offered = this.#held.offer(arrival, placer.workOf(request, pods), pods, nowMs);
    if (alone) return offered;
    if (offered.reason !== "held") return this.#takeUnwanted(arrival, rules, nowMs) ?? offered;
    return this.pump(rules, nowMs, arrival.id) ?? offered;
  }

  /** What `admit` would do with a request that came now, if `choose` told its policy's choice. Changes nothing. */
  preview(arrival: Arrival, rules: QueueRules, choose: (pods: readonly Pod[]) => PodChoice, nowMs: number): Admission {
    const { request } = arrival;
    const placer = this.#placer;
    const pods = placer.podsFor(request, nowMs);
    if (pods.length === 0) {
      const held = rules.enabled && isNew(request) && this.#held.mayHoldWithoutPods(rules);
      return { kind: held ? "held_without_pods" : "no_endpoints", pods };
    }
    if (!rules.enabled || !isNew(request)) return { kind: "placed", pods };
    if (this.#held.queued === 0) {
      let among = pods;
      const chooser = (_: Arrival, offered: readonly Pod[]) => {
        among = offered;
        return choose(offered);
      };
      const pass = new DispatchPass(this.#held, { ...placer, choose: chooser }, rules, new LastPass(), nowMs);
      if (pass.choiceOf(arrival) !== undefined) return { kind: "placed", pods: among };
    }
    const queue = this.#held.preview(arrival, placer.workOf(request, pods), pods, nowMs);
    return { kind: queue.refused === undefined ? "held" : "refused", pods, queue };
  }

  /**
   * Places those whose turn it is and whose pods have room for them. Returns the placement of `newcomer`, if it is of
   * them.
   */
  pump(rules: QueueRules, nowMs: number, newcomer?: string): Placement | undefined {
    if (this.#held.queued === 0) return undefined;
    return this.#release(this.#pass(rules, nowMs).run(), newcomer);
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

  /** The queue does not take the request: it may have what nobody there wants. */
  #takeUnwanted(arrival: Arrival, rules: QueueRules, nowMs: number): Placement | RouteRefusal | undefined {
    const pass = this.#pass(rules, nowMs);
    this.#release(pass.run());
    const choice = pass.choiceOf(arrival);
    return choice && opened(choice);
  }

  /** Where a request goes when nobody waits; undefined: nowhere. */
  #choiceAlone(arrival: Arrival, rules: QueueRules, nowMs: number): PodChoice | RouteRefusal | undefined {
    const pass = this.#freePass ?? this.#pass(rules, nowMs);
    if (pass === this.#freePass) pass.renew(rules, nowMs);
    const choice = pass.choiceOf(arrival);
    this.#freePass = choice === undefined ? undefined : pass;
    return choice;
  }

  #release(dispatched: readonly Dispatched[], newcomer?: string): Placement | undefined {
    let own: Placement | undefined;
    for (const { id, result } of dispatched) {
      if (id === newcomer && result.ok) own = result;
      else this.#placer.released(id, result);
    }
    return own;
  }

  #pass(rules: QueueRules, nowMs: number): DispatchPass {
    return new DispatchPass(this.#held, this.#placer, rules, this.#lastPass, nowMs);
  }
}

function opened(choice: PodChoice | RouteRefusal): Placement | RouteRefusal {
  return choice.ok ? choice.open() : choice;
}

/** Whether no pod has failed it before: every pod of its model is one for it. */
function isNew({ excludedPods = [] }: RouteRequest): boolean {
  return excludedPods.length === 0;
}

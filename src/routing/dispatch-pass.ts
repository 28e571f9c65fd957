import type { Arrival } from "./arrival.ts";
import { AssumedPlacements } from "./assumed-placements.ts";
import type { HeldRequests } from "./held-requests.ts";
import { OpenPods } from "./open-pods.ts";
import type { Placement, RouteRefusal } from "./placement.ts";
import type { Placer, PodChoice } from "./placer.ts";
import type { Pod } from "./pod.ts";
import type { QueueRules } from "./routing-rules.ts";

/** Requests that may be left waiting in one pass before it ends. */
const MOST_LEFT = 48;

/** A request that a pass took out of the queue. */
export type Dispatched = { readonly id: string; readonly result: Placement | RouteRefusal };

/**
 * One pass through the queue, in its order (the policy lab's formula Q): each request in turn chooses among all of its
 * pods. If the chosen one is open to it, it goes there; if not, it goes on waiting, and counts on that pod for those
 * behind it. So a request waits for its warm pod where that is worth it, and a burst that a single pod is best for
 * spreads. A pod that somebody waits for takes nobody from behind, or a small request after the other would keep its
 * memory from a large one.
 */
export class DispatchPass {
  readonly #held: HeldRequests;
  readonly #placer: Placer;
  readonly #nowMs: number;
  readonly #room: OpenPods;
  readonly #open: Set<Pod>;
  readonly #assumed = new AssumedPlacements();
  readonly #left = new Set<string>();
  readonly #podsByModel = new Map<string, readonly Pod[]>();

  constructor(held: HeldRequests, placer: Placer, rules: QueueRules, nowMs: number) {
    this.#held = held;
    this.#placer = placer;
    this.#nowMs = nowMs;
    const ready = placer.pods().filter(({ facts }) => facts.state === "ready");
    this.#room = new OpenPods(ready, { limits: rules, ...placer.roomTerms(nowMs) });
    this.#open = this.#room.all();
  }

  /** Places whom it can. Ends when no pod is open any more, or many have been left waiting. */
  run(): Dispatched[] {
    const dispatched: Dispatched[] = [];
    try {
      while (this.#open.size > 0) {
        let choice: PodChoice | RouteRefusal | undefined;
        const next = this.#held.next(this.#nowMs, (arrival) => {
          choice = this.#choiceOf(arrival);
          return choice !== undefined;
        });
        if (next === undefined || choice === undefined) break;
        dispatched.push({ id: next.id, result: choice.ok ? this.#place(choice) : choice });
      }
    } finally {
      this.#assumed.retract();
    }
    return dispatched;
  }

  #place(choice: PodChoice): Placement {
    const placement = choice.open();
    if (!this.#room.has(choice.pod)) this.#open.delete(choice.pod);
    return placement;
  }

  /** Where the request goes now; undefined: it waits. */
  #choiceOf(arrival: Arrival): PodChoice | RouteRefusal | undefined {
    if (this.#left.has(arrival.id) || this.#left.size >= MOST_LEFT || this.#open.size === 0) return undefined;
    const pods = this.#podsFor(arrival);
    if (!pods.some((pod) => this.#open.has(pod))) return undefined;
    const choice = this.#placer.choose(arrival, pods, this.#nowMs);
    if (!choice.ok) return choice;
    const { pod, promptTokens } = choice;
    const outputTokens = this.#held.outputTokensOf(arrival.request);
    if (this.#open.has(pod) && this.#room.has(pod, { promptTokens, outputTokens })) return choice;
    this.#left.add(arrival.id);
    this.#assumed.assume(pod, choice);
    this.#open.delete(pod);
    return undefined;
  }

  #podsFor({ request }: Arrival): readonly Pod[] {
    let pods = this.#podsByModel.get(request.model);
    if (pods === undefined) {
      pods = this.#placer.podsFor(request, this.#nowMs);
      this.#podsByModel.set(request.model, pods);
    }
    return pods;
  }
}

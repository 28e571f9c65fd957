import type { Arrival } from "./arrival.ts";
import { AssumedPlacements } from "./assumed-placements.ts";
import { deadlineOf, type HeldRequests } from "./held-requests.ts";
import type { AwaitedPod, LastPass } from "./last-pass.ts";
import { OpenPods } from "./open-pods.ts";
import type { Placement, RouteRefusal } from "./placement.ts";
import type { Placer, PodChoice } from "./placer.ts";
import type { Pod } from "./pod.ts";
import type { QueueRules } from "./routing-rules.ts";

/** Requests that may be left waiting in one pass before it ends. */
const MOST_LEFT = 48;

/**
 * Where a policy does not weigh the wait for its choice, a request waits up to so many times the prefill it saves. More
 * than once, as a miss also evicts what others would find; docs/routing.md has the figures.
 */
const WAIT_FOR_SAVED = 4;

/** A request that a pass took out of the queue. */
export type Dispatched = { readonly id: string; readonly result: Placement | RouteRefusal };

/**
 * One pass through the queue, in its order (the policy lab's formula Q): each request in turn chooses among all of its
 * pods. If the chosen one is open to it, it goes there; if not, it goes on waiting, and counts on that pod for those
 * behind it. So a request waits for its warm pod where that is worth it, and a burst that a single pod is best for
 * spreads. A pod that somebody waits for takes nobody from behind, or one small request after the other would keep its
 * memory from a large one.
 */
export class DispatchPass {
  readonly #held: HeldRequests;
  readonly #placer: Placer;
  #nowMs: number;
  #room: OpenPods;
  /** Pods that take nobody more in this pass. */
  readonly #closed = new Set<Pod>();
  readonly #assumed = new AssumedPlacements();
  readonly #left = new Set<string>();
  readonly #last: LastPass;
  /** The pods that those who wait may get, and those of them that they were not offered in the last pass. */
  readonly #open = new Set<Pod>();
  readonly #fresh = new Set<Pod>();
  /** By request: the pod it is left waiting for. */
  readonly #awaited = new Map<string, AwaitedPod>();
  readonly #podsByModel = new Map<string, readonly Pod[]>();

  constructor(held: HeldRequests, placer: Placer, rules: QueueRules, last: LastPass, nowMs: number) {
    this.#held = held;
    this.#last = last;
    this.#placer = placer;
    this.#nowMs = nowMs;
    this.#room = this.#roomAt(rules, nowMs);
  }

  /** Makes it a pass of another moment, which spares making one. Only if it has let nobody wait. */
  renew(rules: QueueRules, nowMs: number): void {
    this.#nowMs = nowMs;
    this.#room = this.#roomAt(rules, nowMs);
    if (this.#podsByModel.size > 0) this.#podsByModel.clear();
  }

  #roomAt(rules: QueueRules, nowMs: number): OpenPods {
    return new OpenPods(this.#placer.pods(), { limits: rules, ...this.#placer.roomTerms(nowMs) });
  }

  /** Takes out of the queue whom it can place. Ends when no pod is open any more, or many have been left waiting. */
  run(): Dispatched[] {
    const nowMs = this.#nowMs;
    for (const pod of this.#placer.pods()) {
      if (pod.facts.state !== "ready" || !this.#room.has(pod)) continue;
      this.#open.add(pod);
      if (!this.#last.isUnwanted(pod, nowMs)) this.#fresh.add(pod);
    }
    const dispatched: Dispatched[] = [];
    try {
      while (this.#open.size > 0) {
        let choice: PodChoice | RouteRefusal | undefined;
        const next = this.#held.next(nowMs, (arrival) => {
          choice = this.#open.size > 0 ? this.#choiceOf(arrival) : undefined;
          return choice !== undefined;
        });
        if (next === undefined || choice === undefined) break;
        dispatched.push({ id: next.id, result: choice.ok ? this.#place(choice) : choice });
      }
    } finally {
      this.#assumed.retract();
    }
    this.#last.ended(this.#fresh, this.#awaited, nowMs);
    return dispatched;
  }

  /** Where a request goes now that is not in the queue; undefined: nowhere. */
  choiceOf(arrival: Arrival): PodChoice | RouteRefusal | undefined {
    const choice = this.#choiceOf(arrival);
    this.#assumed.retract();
    return choice;
  }

  #place(choice: PodChoice): Placement {
    const placement = choice.open();
    if (!this.#room.has(choice.pod)) this.#close(choice.pod);
    return placement;
  }

  #close(pod: Pod): void {
    this.#closed.add(pod);
    this.#open.delete(pod);
    this.#fresh.delete(pod);
  }

  #choiceOf(arrival: Arrival): PodChoice | RouteRefusal | undefined {
    if (this.#left.has(arrival.id) || this.#left.size >= MOST_LEFT) return undefined;
    const pods = this.#podsFor(arrival);
    if (!pods.some((pod) => this.#isOpen(pod))) return undefined;
    const awaited = this.#awaitedSoFar(arrival);
    if (awaited !== undefined && !this.#isOpen(awaited.pod)) return this.#leave(arrival, awaited);
    return this.#placer.waitsForChoice(arrival) ? this.#openChoice(arrival, pods) : this.#choiceOfOpen(arrival, pods);
  }

  /** The pod it was left waiting for in the last pass, if nothing has happened since that could change its mind. */
  #awaitedSoFar({ id }: Arrival): AwaitedPod | undefined {
    if (this.#fresh.size > 0) return undefined;
    return this.#last.awaitedBy(id, (pod) => this.#assumed.realCounts(pod), this.#nowMs);
  }

  /** The policy's choice among all pods, if that pod is open. */
  #openChoice(arrival: Arrival, pods: readonly Pod[]): PodChoice | RouteRefusal | undefined {
    // Not empty: some pod is open.
    const choice = this.#placer.choose(arrival, this.#room.withoutFull(pods), this.#nowMs);
    if (!choice.ok) return choice;
    const { pod, promptTokens } = choice;
    if (this.#isOpen(pod, promptTokens, arrival)) return choice;
    const other = this.#betterOpen(arrival, choice, pods);
    if (other !== undefined) return other;
    const { uncachedTokens } = choice;
    return this.#leave(arrival, { pod, promptTokens, uncachedTokens });
  }

  /** The policy's choice among the open pods, where waiting for the one it chose costs more than it saves or takes too long. */
  #betterOpen(arrival: Arrival, choice: PodChoice, pods: readonly Pod[]): PodChoice | RouteRefusal | undefined {
    const wanted = { promptTokens: choice.promptTokens, outputTokens: this.#held.outputTokensOf(arrival.request) };
    const open = pods.filter((pod) => this.#isOpen(pod, choice.promptTokens, arrival));
    if (open.length === 0) return undefined;
    const other = this.#placer.choose(arrival, open, this.#nowMs);
    if (!other.ok) return other;
    const prefillMs = this.#held.prefillMsOf(choice);
    const savedMs = this.#held.prefillMsOf(other) - prefillMs;
    const leftMs = arrival.arrivedAtMs + deadlineOf(arrival.request) - this.#nowMs;
    const mostMs = Math.min(WAIT_FOR_SAVED * savedMs, leftMs - prefillMs);
    return this.#room.opensInMs(choice.pod, wanted) > mostMs ? other : undefined;
  }

  /** It goes on waiting for a pod, and so do those behind it. */
  #leave({ id }: Arrival, awaited: AwaitedPod): undefined {
    this.#left.add(id);
    this.#awaited.set(id, awaited);
    this.#assumed.assume(awaited.pod, awaited);
    this.#close(awaited.pod);
  }

  /** The policy's choice among the open pods. */
  #choiceOfOpen(arrival: Arrival, pods: readonly Pod[]): PodChoice | RouteRefusal | undefined {
    const promptTokens = this.#placer.promptTokensOf(arrival.request);
    const open = pods.filter((pod) => this.#isOpen(pod, promptTokens, arrival));
    if (open.length > 0) return this.#placer.choose(arrival, open, this.#nowMs);
    // It waits for memory: where most of it is free, there will be enough first.
    this.#left.add(arrival.id);
    this.#close(pods.reduce((most, pod) => (freeTokens(pod) > freeTokens(most) ? pod : most)));
    return undefined;
  }

  /** Whether a pod is open to the request; without one, to the smallest. */
  #isOpen(pod: Pod, promptTokens = 0, arrival?: Arrival): boolean {
    if (this.#closed.has(pod)) return false;
    const outputTokens = arrival === undefined ? 0 : this.#held.outputTokensOf(arrival.request);
    return this.#room.has(pod, { promptTokens, outputTokens });
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

function freeTokens({ facts, promptTokensInFlight }: Pod): number {
  return (facts.capacityTokens ?? Number.POSITIVE_INFINITY) - promptTokensInFlight;
}

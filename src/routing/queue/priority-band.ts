import type { KeyAccount } from "./key-accounts.ts";
import { KeyFlow } from "./key-flow.ts";
import { OrderedHeap } from "./ordered-heap.ts";
import type { QueuedRequest } from "./queued-request.ts";
import type { WaitingRequest } from "./waiting-request.ts";

/** A called request passes no key that was served less by more than this many times its work, */
const CALLED_LEAD = 4;
/** and none that has less than this share of the work waiting that its own key has: a light key waits for nobody. */
const CALLED_LIKE = 0.5;

/** A key's walk through its own requests: `served` is where its counter would stand when the next of them is served. */
type Walk<Payload> = {
  readonly flow: KeyFlow<Payload>;
  readonly requests: Generator<WaitingRequest<Payload>, void, undefined>;
  next: WaitingRequest<Payload>;
  served: number;
  steps: number;
};

/** All that waits at one priority: a flow for each key, the least served first. */
export class PriorityBand<Payload> {
  readonly priority: number;
  readonly #flows = new Map<string, KeyFlow<Payload>>();
  readonly #byServed = new OrderedHeap<KeyFlow<Payload>>(byServed);
  readonly #byDeadline = new OrderedHeap<WaitingRequest<Payload>>(byDeadline);
  readonly #byArrival = new OrderedHeap<WaitingRequest<Payload>>(byArrival);
  #workTokens = 0;

  constructor(priority: number) {
    this.priority = priority;
  }

  get size(): number {
    return this.#byArrival.size;
  }

  /** Weighted tokens of all that wait here. */
  get workTokens(): number {
    return this.#workTokens;
  }

  /** Keys with somebody waiting. */
  get flows(): readonly KeyFlow<Payload>[] {
    return this.#byServed.items;
  }

  /** Who has waited longest. */
  get oldest(): WaitingRequest<Payload> | undefined {
    return this.#byArrival.first;
  }

  /** Whose deadline comes first. */
  get soonest(): WaitingRequest<Payload> | undefined {
    return this.#byDeadline.first;
  }

  /** The lowest counter of those with somebody waiting. */
  get lowestServed(): number | undefined {
    return this.#byServed.first?.account.served;
  }

  flow(key: string): KeyFlow<Payload> | undefined {
    return this.#flows.get(key);
  }

  add(waiting: WaitingRequest<Payload>, account: KeyAccount): void {
    let flow = this.#flows.get(account.key);
    if (flow === undefined) {
      flow = new KeyFlow(account);
      this.#flows.set(account.key, flow);
      this.#byServed.add(flow);
    }
    flow.add(waiting);
    this.#byArrival.add(waiting);
    this.#byDeadline.add(waiting);
    this.#workTokens += waiting.workTokens;
  }

  /** The key's account, if the request was waiting here. */
  remove(waiting: WaitingRequest<Payload>): KeyAccount | undefined {
    const { key } = waiting.request;
    const flow = this.#flows.get(key);
    if (flow === undefined || !this.#byArrival.remove(waiting)) return undefined;
    this.#byDeadline.remove(waiting);
    flow.remove(waiting);
    this.#workTokens = this.size === 0 ? 0 : this.#workTokens - waiting.workTokens;
    if (flow.size === 0) {
      this.#flows.delete(key);
      this.#byServed.remove(flow);
    }
    return flow.account;
  }

  /** A key's counter has changed. */
  reorder(key: string): void {
    const flow = this.#flows.get(key);
    if (flow !== undefined) this.#byServed.reorder(flow);
  }

  /**
   * The requests in the order in which they would be served if nothing else came: the next of the key that would have
   * been served least by then. Not more than `mostPerKey` of one key, so that a key whose requests find no place does
   * not hide the others. Before all goes the one whose deadline comes first, if it `isCalled`, unless that
   * would be at the cost of a key that asks for less.
   */
  *inFairOrder(
    mostPerKey = Number.POSITIVE_INFINITY,
    isCalled?: (request: QueuedRequest<Payload>) => boolean,
  ): Generator<WaitingRequest<Payload>, void, undefined> {
    const called = isCalled && this.#called(isCalled);
    if (called !== undefined) yield called;
    const walks = new OrderedHeap<Walk<Payload>>((a, b) => a.served - b.served || a.next.turn - b.next.turn);
    const fresh = this.#byServed.inOrder();
    let begin = fresh.next();
    for (;;) {
      // A key joins the walk when its counter is the lowest: most searches end at the first few keys.
      while (!begin.done && begin.value.account.served <= (walks.first?.served ?? Number.POSITIVE_INFINITY)) {
        const requests = begin.value.inOrder();
        const { value: next } = requests.next();
        if (next) walks.add({ flow: begin.value, requests, next, served: begin.value.account.served, steps: 0 });
        begin = fresh.next();
      }
      const walk = walks.first;
      if (walk === undefined) return;
      if (walk.next !== called) yield walk.next;
      walks.remove(walk);
      walk.served += walk.next.workTokens / walk.flow.account.weight;
      walk.steps++;
      const { value: next } = walk.requests.next();
      if (!next || walk.steps >= mostPerKey) continue;
      walk.next = next;
      walks.add(walk);
    }
  }

  /** The soonest, where it may go before all others. */
  #called(isCalled: (request: QueuedRequest<Payload>) => boolean): WaitingRequest<Payload> | undefined {
    const first = this.soonest;
    if (first === undefined || !isCalled(first.request)) return undefined;
    const own = this.#flows.get(first.request.key) as KeyFlow<Payload>;
    const { served, weight } = own.account;
    const least = CALLED_LIKE * own.workTokens;
    if (served - (this.lowestServed as number) > (CALLED_LEAD * first.workTokens) / weight) return undefined;
    return this.flows.some(({ account, workTokens }) => account.served < served && workTokens < least)
      ? undefined
      : first;
  }
}

/** The order of deadlines. */
export function byDeadline(a: WaitingRequest<unknown>, b: WaitingRequest<unknown>): number {
  return a.request.deadlineAtMs - b.request.deadlineAtMs || a.turn - b.turn;
}

function byServed<Payload>(a: KeyFlow<Payload>, b: KeyFlow<Payload>): number {
  return a.account.served - b.account.served || (a.account.key < b.account.key ? -1 : 1);
}

function byArrival(a: WaitingRequest<unknown>, b: WaitingRequest<unknown>): number {
  return a.request.enqueuedAtMs - b.request.enqueuedAtMs || a.turn - b.turn;
}

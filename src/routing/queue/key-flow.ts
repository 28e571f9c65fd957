import type { KeyAccount } from "./key-accounts.ts";
import { OrderedHeap } from "./ordered-heap.ts";
import type { WaitingRequest } from "./waiting-request.ts";

/** What one key has waiting at one priority, in the order of bounded stretch. */
export class KeyFlow<Payload> {
  readonly account: KeyAccount;
  readonly #waiting = new OrderedHeap<WaitingRequest<Payload>>(byStretch);
  #workTokens = 0;
  #promptTokens = 0;

  constructor(account: KeyAccount) {
    this.account = account;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Weighted tokens of all that wait here. */
  get workTokens(): number {
    return this.#workTokens;
  }

  get promptTokens(): number {
    return this.#promptTokens;
  }

  add(waiting: WaitingRequest<Payload>): void {
    this.#waiting.add(waiting);
    this.#workTokens += waiting.workTokens;
    this.#promptTokens += waiting.request.promptTokens;
  }

  remove(waiting: WaitingRequest<Payload>): void {
    if (!this.#waiting.remove(waiting)) return;
    this.#promptTokens -= waiting.request.promptTokens;
    // Sums of fractions leave crumbs behind.
    this.#workTokens = this.#waiting.size === 0 ? 0 : this.#workTokens - waiting.workTokens;
  }

  inOrder(): Generator<WaitingRequest<Payload>, void, undefined> {
    return this.#waiting.inOrder();
  }

  /** Weighted tokens of those that go before a request of that rank. */
  workBefore(rankMs: number): number {
    let workTokens = 0;
    for (const waiting of this.#waiting.items) if (waiting.rankMs <= rankMs) workTokens += waiting.workTokens;
    return workTokens;
  }
}

function byStretch(a: WaitingRequest<unknown>, b: WaitingRequest<unknown>): number {
  return a.rankMs - b.rankMs || a.turn - b.turn;
}

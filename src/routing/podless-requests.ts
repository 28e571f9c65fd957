import type { Arrival } from "./arrival.ts";

type Podless = { readonly arrival: Arrival; readonly deadlineAtMs: number };

/** Requests that wait for a first pod to come up, in the order of their arrival. */
export class PodlessRequests {
  readonly #waiting = new Map<string, Podless>();

  get size(): number {
    return this.#waiting.size;
  }

  get nextDeadlineAtMs(): number | undefined {
    let soonest: number | undefined;
    for (const { deadlineAtMs } of this.#waiting.values()) soonest = Math.min(soonest ?? deadlineAtMs, deadlineAtMs);
    return soonest;
  }

  add(arrival: Arrival, deadlineAtMs: number): void {
    this.#waiting.set(arrival.id, { arrival, deadlineAtMs });
  }

  /** False: it does not wait. */
  remove(id: string): boolean {
    return this.#waiting.delete(id);
  }

  /** Takes out those that hold. */
  take(holds: (arrival: Arrival) => boolean): Arrival[] {
    return this.#takeWhere(({ arrival }) => holds(arrival));
  }

  /** Takes out those whose time is over. */
  expire(nowMs: number): Arrival[] {
    return this.#takeWhere(({ deadlineAtMs }) => deadlineAtMs <= nowMs);
  }

  #takeWhere(holds: (podless: Podless) => boolean): Arrival[] {
    const taken = [...this.#waiting.values()].filter(holds).map(({ arrival }) => arrival);
    for (const { id } of taken) this.#waiting.delete(id);
    return taken;
  }
}

import type { Refusal } from "./refusal.ts";

/** Ends a request for one reason, the first that is given, by cancelling whatever is under way upstream. */
export class Cancellation {
  #reason: Refusal | undefined;
  #attempt: AbortController | undefined;

  /** Why the request is over; undefined while it is not. */
  get reason(): Refusal | undefined {
    return this.#reason;
  }

  /** A controller for the next attempt: cancelled with the request, or by itself. */
  nextAttempt(): AbortController {
    this.#attempt = new AbortController();
    if (this.#reason !== undefined) this.#attempt.abort(this.#reason);
    return this.#attempt;
  }

  cancel(reason: Refusal): void {
    this.#reason ??= reason;
    this.#attempt?.abort(this.#reason);
  }
}

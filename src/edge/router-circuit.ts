/** Why the Worker routes by itself. Sent in the header `x-warmpath-degraded`. */
export type DegradedReason = "router_overloaded" | "router_unreachable" | "router_silent" | "router_empty";

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

/**
 * Keeps requests away from a router that cannot answer. Each failure in a row doubles the pause, from a quarter of a
 * second to five; after it one request in each further pause tries again, and the first answer ends it all.
 */
export class RouterCircuit {
  readonly #random: () => number;
  #failures = 0;
  #closedUntilMs = 0;
  #reason: DegradedReason = "router_unreachable";

  constructor(random: () => number) {
    this.#random = random;
  }

  /** The reason not to call the router now, or undefined if the caller shall. */
  refuses(nowMs: number): DegradedReason | undefined {
    if (this.#failures === 0) return undefined;
    if (nowMs < this.#closedUntilMs) return this.#reason;
    this.#pause(nowMs);
    return undefined;
  }

  failed(reason: DegradedReason, nowMs: number): void {
    this.#failures++;
    this.#reason = reason;
    this.#pause(nowMs);
  }

  answered(): void {
    this.#failures = 0;
  }

  /** Between half and all of the pause: the isolates that lost a router do not all come back at once. */
  #pause(nowMs: number): void {
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (this.#failures - 1), LONGEST_PAUSE_MS);
    this.#closedUntilMs = nowMs + pauseMs * (0.5 + this.#random() / 2);
  }
}

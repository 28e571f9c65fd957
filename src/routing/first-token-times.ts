import { movingMean } from "./moving-mean.ts";

/** Mean deviations above the mean that hardly any first token exceeds: TCP's retransmission timer has as many (RFC 6298). */
const DEVIATIONS = 4;

/** How long requests wait for their first token on the pods of a fleet, and how much that varies. */
export class FirstTokenTimes {
  #meanMs: number | undefined;
  #deviationMs: number | undefined;

  /** A first token came, so long after its request was sent. */
  observe(waitMs: number): void {
    const offMs = this.#meanMs === undefined ? waitMs / 2 : Math.abs(waitMs - this.#meanMs);
    this.#deviationMs = movingMean(this.#deviationMs, offMs);
    this.#meanMs = movingMean(this.#meanMs, waitMs);
  }

  /** By how much most first tokens are at most later than expected, in ms; 0 before any came. */
  get marginMs(): number {
    return DEVIATIONS * (this.#deviationMs ?? 0);
  }
}

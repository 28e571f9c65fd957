import type { PriorityBand } from "./priority-band.ts";

/**
 * Keeps priorities from starving what is below them: as long as somebody of a lower priority has waited too long, a
 * share of the work is theirs, and the rest goes by priority as before. So the highest never lose more than that share.
 */
export class AgedTurns {
  readonly #agedAfterMs: number;
  readonly #othersPay: number;
  /** What was served by age and not yet balanced by the others' share. */
  #debtTokens = 0;

  constructor(agedAfterMs: number, agedShare: number) {
    this.#agedAfterMs = agedAfterMs;
    this.#othersPay = agedShare / (1 - agedShare);
  }

  /** The band whose turn it is by age. `bands` are in the order of their priority, the highest first. */
  turnOf<Payload>(bands: readonly PriorityBand<Payload>[], nowMs: number): PriorityBand<Payload> | undefined {
    // Less than a token is rounding.
    if (this.#debtTokens >= 1) return undefined;
    let turn: PriorityBand<Payload> | undefined;
    let longestSinceMs = nowMs - this.#agedAfterMs;
    for (const band of bands.slice(1)) {
      const sinceMs = band.oldest?.request.enqueuedAtMs ?? nowMs;
      if (sinceMs > longestSinceMs) continue;
      longestSinceMs = sinceMs;
      turn = band;
    }
    return turn;
  }

  /** Work was placed, by age or by priority. */
  placed(workTokens: number, byAge: boolean): void {
    if (byAge) this.#debtTokens += workTokens;
    else this.#debtTokens = Math.max(0, this.#debtTokens - workTokens * this.#othersPay);
  }
}

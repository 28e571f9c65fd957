/** `Retry-After` has whole seconds, so a finer calendar would promise nothing more. */
const SLOT_MS = 1_000;

/** How much of each second's pace is given to retries that will come in it. */
export class RetryCalendar {
  /** Booked milliseconds by number of the second. */
  readonly #booked = new Map<number, number>();
  #forgottenBefore = Number.NEGATIVE_INFINITY;

  /** The first moment from `earliestMs` on in a second that is not full. */
  freeFrom(earliestMs: number): number {
    let slot = Math.floor(earliestMs / SLOT_MS);
    for (;;) {
      const booked = this.#booked.get(slot) ?? 0;
      if (booked < SLOT_MS) return Math.max(earliestMs, slot * SLOT_MS + booked);
      slot++;
    }
  }

  /** Books so much of the pace from a moment on: what is free there and in the seconds that follow. */
  book(fromMs: number, spanMs: number): void {
    let leftMs = spanMs;
    for (let slot = Math.floor(fromMs / SLOT_MS); leftMs > 0; slot++) {
      const booked = this.#booked.get(slot) ?? 0;
      const takenMs = Math.min(leftMs, SLOT_MS - booked);
      this.#booked.set(slot, booked + takenMs);
      leftMs -= takenMs;
    }
  }

  /** Forgets the seconds that are over. */
  advance(nowMs: number): void {
    const current = Math.floor(nowMs / SLOT_MS);
    if (current <= this.#forgottenBefore) return;
    this.#forgottenBefore = current;
    for (const slot of this.#booked.keys()) if (slot < current) this.#booked.delete(slot);
  }
}

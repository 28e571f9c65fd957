/** What a request waits for. A phase that is set again forgets its earlier time. */
export type Phase =
  | "route"
  | "connect"
  | "attempt"
  | "answer"
  | "comment"
  | "renew"
  | "renewal"
  | "idle"
  | "total"
  | "lastEvent";

type Due = { readonly atMs: number; readonly action: () => void };

/**
 * All the times of one request on a single timer of the runtime: a request that is answered before the first of them
 * costs one timer, however many phases it has set and cleared.
 */
export class RequestTimer {
  readonly #due = new Map<Phase, Due>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #stopped = false;

  /** Calls `action` once, `inMs` from now. Nothing is called after `stop`. */
  set(phase: Phase, inMs: number, action: () => void): void {
    if (this.#stopped) return;
    const atMs = Date.now() + Math.max(0, inMs);
    this.#due.set(phase, { atMs, action });
    if (atMs < this.#timerAtMs) this.#arm(atMs);
  }

  clear(phase: Phase): void {
    // The timer stays: finding nothing due it goes on to the next phase, which is rarer than clearing one.
    this.#due.delete(phase);
  }

  /** The request is over. */
  stop(): void {
    this.#stopped = true;
    this.#due.clear();
    clearTimeout(this.#timer ?? null);
  }

  #arm(atMs: number): void {
    clearTimeout(this.#timer ?? null);
    this.#timerAtMs = atMs;
    this.#timer = setTimeout(() => this.#fire(), Math.max(0, atMs - Date.now()));
  }

  #fire(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = Date.now();
    for (const [phase, { atMs, action }] of [...this.#due]) {
      // An action may have cleared or set the phases behind it.
      if (atMs > nowMs || this.#due.get(phase)?.atMs !== atMs) continue;
      this.#due.delete(phase);
      action();
    }
    const nextMs = Math.min(...[...this.#due.values()].map(({ atMs }) => atMs));
    if (nextMs < this.#timerAtMs && !this.#stopped) this.#arm(nextMs);
  }
}

/**
 * Events of a simulation in the order of their times, equal times in the order they were added. An event is a kind and
 * an argument, both small integers: a binary heap over typed arrays, nothing allocated per event.
 */
export class EventQueue {
  #times = new Float64Array(1024);
  #orders = new Float64Array(1024);
  #kinds = new Int32Array(1024);
  #arguments = new Float64Array(1024);
  #size = 0;
  #added = 0;

  /** Of the event taken last. */
  timeMs = 0;
  kind = 0;
  argument = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds an event. */
  add(timeMs: number, kind: number, argument: number): void {
    if (this.#size === this.#times.length) this.#grow();
    let at = this.#size++;
    const order = this.#added++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((this.#times[parent] as number) <= timeMs) break;
      this.#copy(parent, at);
      at = parent;
    }
    this.#write(at, timeMs, order, kind, argument);
  }

  /** Takes the earliest event into `timeMs`, `kind` and `argument`. False if there is none. */
  take(): boolean {
    if (this.#size === 0) return false;
    this.timeMs = this.#times[0] as number;
    this.kind = this.#kinds[0] as number;
    this.argument = this.#arguments[0] as number;
    const last = --this.#size;
    const timeMs = this.#times[last] as number;
    const order = this.#orders[last] as number;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= last) break;
      if (child + 1 < last && this.#before(child + 1, child)) child++;
      const childTime = this.#times[child] as number;
      if (childTime > timeMs || (childTime === timeMs && (this.#orders[child] as number) > order)) break;
      this.#copy(child, at);
      at = child;
    }
    this.#write(at, timeMs, order, this.#kinds[last] as number, this.#arguments[last] as number);
    return true;
  }

  #before(a: number, b: number): boolean {
    const difference = (this.#times[a] as number) - (this.#times[b] as number);
    return difference < 0 || (difference === 0 && (this.#orders[a] as number) < (this.#orders[b] as number));
  }

  #copy(from: number, to: number): void {
    this.#write(
      to,
      this.#times[from] as number,
      this.#orders[from] as number,
      this.#kinds[from] as number,
      this.#arguments[from] as number,
    );
  }

  #write(at: number, timeMs: number, order: number, kind: number, argument: number): void {
    this.#times[at] = timeMs;
    this.#orders[at] = order;
    this.#kinds[at] = kind;
    this.#arguments[at] = argument;
  }

  #grow(): void {
    const doubled = <T extends Float64Array | Int32Array>(array: T, grown: T): T => {
      grown.set(array);
      return grown;
    };
    const size = 2 * this.#times.length;
    this.#times = doubled(this.#times, new Float64Array(size));
    this.#orders = doubled(this.#orders, new Float64Array(size));
    this.#kinds = doubled(this.#kinds, new Int32Array(size));
    this.#arguments = doubled(this.#arguments, new Float64Array(size));
  }
}

/** A sum over the last while, kept in slots of equal length: plain values, so that it can be copied and replayed. */
export type SlidingWindow = {
  readonly slotMs: number;
  /** The number of the slot's time since the epoch of the clock, by position. */
  readonly times: number[];
  readonly sums: number[];
};

/** An empty window over about `windowMs`. */
export function newSlidingWindow(windowMs: number, slots: number): SlidingWindow {
  return {
    slotMs: windowMs / slots,
    times: new Array<number>(slots).fill(-1),
    sums: new Array<number>(slots).fill(0),
  };
}

/** Adds to the current slot. Values may be negative: corrections of what was added before. */
export function addToWindow(window: SlidingWindow, value: number, nowMs: number): void {
  const time = Math.floor(nowMs / window.slotMs);
  const slot = time % window.sums.length;
  if (window.times[slot] !== time) {
    window.times[slot] = time;
    window.sums[slot] = 0;
  }
  window.sums[slot] = (window.sums[slot] as number) + value;
}

/** What the slots of the window hold now. */
export function windowSum(window: SlidingWindow, nowMs: number): number {
  const oldest = Math.floor(nowMs / window.slotMs) - window.sums.length;
  let sum = 0;
  for (let slot = 0; slot < window.sums.length; slot++) {
    if ((window.times[slot] as number) > oldest) sum += window.sums[slot] as number;
  }
  return sum;
}

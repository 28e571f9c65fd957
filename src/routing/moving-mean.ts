/** Weight of the newest value. */
const NEWEST = 0.1;

/** A mean that forgets, with a new value taken in. Undefined before the first one. */
export function movingMean(mean: number | undefined, value: number): number {
  return mean === undefined ? value : mean + NEWEST * (value - mean);
}

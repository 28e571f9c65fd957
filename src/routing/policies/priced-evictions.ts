/** Evictions are priced on the best pods by all other terms only: walking chains costs more than those. */
const MOST_PRICED = 16;

/**
 * Adds the price of evictions to the costs, cheapest pods first, as long as it can change the choice: those that come to
 * no more than `bandMs` above the best. `priceMs` tells what a placement on the candidate at an index evicts.
 */
export function addEvictions(costMs: Float64Array, bandMs: number, priceMs: (index: number) => number): void {
  const priced: number[] = [];
  const totalsMs: number[] = [];
  let bestMs = Number.POSITIVE_INFINITY;
  while (priced.length < MOST_PRICED) {
    const next = cheapest(costMs);
    const baseMs = costMs[next] as number;
    if (baseMs === Number.POSITIVE_INFINITY || baseMs >= bestMs + bandMs) break;
    const totalMs = baseMs + priceMs(next);
    costMs[next] = Number.POSITIVE_INFINITY;
    priced.push(next);
    totalsMs.push(totalMs);
    bestMs = Math.min(bestMs, totalMs);
  }
  // Beside priced pods an unpriced one would look too good.
  if (priced.length === MOST_PRICED) costMs.fill(Number.POSITIVE_INFINITY);
  for (let i = 0; i < priced.length; i++) costMs[priced[i] as number] = totalsMs[i] as number;
}

function cheapest(costMs: Float64Array): number {
  let index = 0;
  let lowestMs = costMs[0] as number;
  for (let i = 1; i < costMs.length; i++) {
    const each = costMs[i] as number;
    if (each < lowestMs) {
      lowestMs = each;
      index = i;
    }
  }
  return index;
}

import type { Random } from "../random.ts";

/**
 * An index at random, the likelier the lower its cost: softmax of -(cost - min) / ((max - min) x temperature), so that the
 * scale of the costs does not matter. Equal costs are equally likely. Every cost is finite, the temperature above 0.
 */
export function pickSoftmax(costs: Float64Array, temperature: number, random: Random): number {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const cost of costs) {
    least = Math.min(least, cost);
    most = Math.max(most, cost);
  }
  const scale = (most - least) * temperature || 1;
  const weights = costs.map((cost) => Math.exp((least - cost) / scale));
  let left = random() * weights.reduce((sum, weight) => sum + weight, 0);
  for (let i = 0; i < weights.length; i++) {
    left -= weights[i] as number;
    if (left < 0) return i;
  }
  // Rounding can leave a crumb over: the last weight is the one that was cut short.
  return weights.length - 1;
}

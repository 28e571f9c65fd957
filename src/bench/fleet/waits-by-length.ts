import { mean, percentile, rounded } from "../report/percentiles.ts";

/** Prompts by their length. */
export const LENGTH_CLASSES = [
  { name: "small", title: "prompts under 4k tokens", below: 4_096 },
  { name: "medium", title: "4k to 32k", below: 32_768 },
  { name: "large", title: "over 32k", below: Number.POSITIVE_INFINITY },
] as const;

/** Times to first token of one class: who goes first makes others wait. */
export type LengthWaits = {
  readonly name: (typeof LENGTH_CLASSES)[number]["name"];
  readonly requests: number;
  readonly meanS: number;
  readonly p99S: number;
  readonly longestS: number;
};

/** Sums up a run, class by class. `ttftMs[i]` belongs to `promptTokens[i]`. */
export function waitsByLength(ttftMs: readonly number[], promptTokens: readonly number[]): LengthWaits[] {
  return LENGTH_CLASSES.map(({ name, below }, i) => {
    const from = LENGTH_CLASSES[i - 1]?.below ?? 0;
    const own = ttftMs.filter((_, at) => (promptTokens[at] as number) >= from && (promptTokens[at] as number) < below);
    own.sort((a, b) => a - b);
    return {
      name,
      requests: own.length,
      meanS: mean(own) / 1_000,
      p99S: percentile(own, 0.99) / 1_000,
      longestS: (own.at(-1) ?? 0) / 1_000,
    };
  });
}

/** Over several runs: means of the runs' means and percentiles, the longest of all, the sum of the requests. */
export function waitsOverRuns(runs: readonly (readonly LengthWaits[])[]): LengthWaits[] {
  return LENGTH_CLASSES.map(({ name }, i) => {
    const own = runs.map((run) => run[i] as LengthWaits);
    return {
      name,
      requests: own.reduce((sum, { requests }) => sum + requests, 0),
      meanS: rounded(mean(own.map(({ meanS }) => meanS))),
      p99S: rounded(mean(own.map(({ p99S }) => p99S))),
      longestS: rounded(Math.max(...own.map(({ longestS }) => longestS))),
    };
  });
}

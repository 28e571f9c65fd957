import type { IndexKind } from "../../sim/fleet/index-kind.ts";
import { mean, rounded, type Summary } from "../report/percentiles.ts";
import type { FleetCell } from "./fleet-cell.ts";
import type { RunFigures } from "./fleet-figures.ts";
import type { FleetQueue } from "./fleet-queue.ts";
import { type LengthWaits, waitsOverRuns } from "./waits-by-length.ts";

/** A policy in one setting, over all seeds. */
export type FleetRow = {
  readonly trace: string;
  readonly scenario: string;
  readonly profile: string;
  readonly engine: string;
  readonly cacheScale: number;
  /** What the router knows of caches (see index-kind.ts). */
  readonly index: IndexKind;
  readonly pods: number;
  /** Of an open loop; null in a closed one. */
  readonly load: number | null;
  /** Of a closed loop; null in an open one. */
  readonly sessionsPerPod: number | null;
  /** With its parameters, where they are not the defaults. */
  readonly policy: string;
  readonly queue: FleetQueue;
  readonly seeds: number;
  /** Sums over seeds. */
  readonly requests: number;
  readonly failed: number;
  readonly refused: number;
  /** Means over seeds. */
  readonly ttftS: Summary;
  /** Half the range of the mean over seeds. */
  readonly ttftMeanHalfRangeS: number;
  /** Without router, queue and network. */
  readonly podTtftMs: number;
  readonly tpotMs: number;
  readonly goodShare: number;
  readonly hitShare: number;
  readonly imbalance: number;
  readonly completedPerS: number;
  readonly resent: number;
  readonly preemptions: number;
  /** Times to first token by length of the prompt. */
  readonly waits: readonly LengthWaits[];
  /** Mean TTFT of this policy less that of `vs` on the same arrivals, seed by seed, with its 95 % interval. */
  readonly pairedDiff: PairedDiff | null;
};

export type PairedDiff = {
  readonly vs: string;
  readonly meanS: number;
  readonly ciLowS: number;
  readonly ciHighS: number;
};

/** The runs of one policy in one setting, in the order of the seeds. */
export type FleetRuns = {
  readonly cell: FleetCell;
  readonly traceName: string;
  readonly figures: readonly RunFigures[];
};

/** The row of a policy's runs. `base`: the runs of the policy it is compared with, of the same seeds. */
export function fleetRow({ cell, traceName, figures }: FleetRuns, base: FleetRuns | undefined): FleetRow {
  const over = (value: (run: RunFigures) => number): number => mean(figures.map(value));
  const total = (value: (run: RunFigures) => number): number => figures.reduce((sum, run) => sum + value(run), 0);
  const means = figures.map(({ ttftS }) => ttftS.mean);
  const { demand } = cell;
  return {
    trace: traceName,
    scenario: cell.scenario,
    profile: cell.profile,
    engine: cell.engine,
    cacheScale: cell.cacheScale,
    index: cell.index,
    pods: cell.pods,
    load: demand.kind === "load" ? demand.load : null,
    sessionsPerPod: demand.kind === "sessions" ? demand.perPod : null,
    policy: policyTitle(cell),
    queue: cell.queue,
    seeds: figures.length,
    requests: total(({ requests }) => requests),
    failed: total(({ failed }) => failed),
    refused: total(({ refused }) => refused),
    ttftS: {
      // Whole milliseconds do not tell policies apart where there is little to wait for.
      mean: Math.round(10_000 * mean(means)) / 10_000,
      p50: rounded(over(({ ttftS }) => ttftS.p50)),
      p90: rounded(over(({ ttftS }) => ttftS.p90)),
      p99: rounded(over(({ ttftS }) => ttftS.p99)),
    },
    ttftMeanHalfRangeS: rounded((Math.max(...means) - Math.min(...means)) / 2),
    podTtftMs: rounded(over(({ podTtftMs }) => podTtftMs)),
    tpotMs: rounded(over(({ tpotMs }) => tpotMs)),
    goodShare: rounded(over(({ goodShare }) => goodShare)),
    hitShare: rounded(over(({ hitShare }) => hitShare)),
    imbalance: rounded(over(({ imbalance }) => imbalance)),
    completedPerS: rounded(over(({ completedPerS }) => completedPerS)),
    resent: total(({ resent }) => resent),
    preemptions: total(({ preemptions }) => preemptions),
    waits: waitsOverRuns(figures.map(({ waits }) => waits)),
    pairedDiff: base === undefined || runTitle(base.cell) === runTitle(cell) ? null : pairedDiff(base, means),
  };
}

function policyTitle({ policy, policyParameters }: FleetCell): string {
  return policyParameters === undefined ? policy : `${policy} ${policyParameters}`;
}

/** A policy and its queue in words. */
export function runTitle(cell: FleetCell): string {
  return policyLabel({ policy: policyTitle(cell), queue: cell.queue });
}

/** The same of a row. */
export function policyLabel({ policy, queue }: Pick<FleetRow, "policy" | "queue">): string {
  return queue === "off" ? policy : `${policy}, queue ${queue}`;
}

function pairedDiff(base: FleetRuns, means: readonly number[]): PairedDiff {
  const differences = means.map((value, i) => value - (base.figures[i]?.ttftS.mean ?? Number.NaN));
  const middle = mean(differences);
  const squares = differences.reduce((sum, value) => sum + (value - middle) ** 2, 0);
  const count = differences.length;
  // One pair has no spread to judge by.
  const reach = count < 2 ? 0 : studentT95(count - 1) * Math.sqrt(squares / (count - 1) / count);
  return {
    vs: runTitle(base.cell),
    meanS: rounded(middle),
    ciLowS: rounded(middle - reach),
    ciHighS: rounded(middle + reach),
  };
}

/** 97.5th percentiles of Student's t for 1 to 10 degrees of freedom; beyond, an approximation good to 0.2 %. */
const T95 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

function studentT95(freedom: number): number {
  return T95[freedom - 1] ?? 1.96 + 2.4 / freedom + 3 / freedom ** 2;
}

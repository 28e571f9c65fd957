import { serverTimingMs } from "../load/call-outcome.ts";
import type { LoadTruth } from "../replay/load-truth.ts";
import { percentile, rounded } from "../report/percentiles.ts";
import { quotient } from "../report/quotient.ts";
import type { Sending, Tenant } from "./tenant-clients.ts";

/** A refusal that took longer than this was no refusal at once. */
const AT_ONCE_MS = 500;

/** Two percentiles, in ms. */
export type Percentiles = { readonly p50: number; readonly p99: number };

/** Of a key's served requests. `routeMs`: until they had a pod. `answerMs`: to the end of the answer. */
export type KeyFigures = {
  readonly requests: number;
  readonly routeMs: Percentiles;
  readonly ttftMs: Percentiles;
  readonly answerMs: Percentiles;
};

/** The row of `scripts/bench overload`. Rates are of the time in which load was offered. */
export type OverloadRow = {
  readonly engines: number;
  /** Requests an engine runs at a time. */
  readonly running: number;
  readonly seconds: number;
  readonly factor: number;
  readonly deadlineMs: number;
  readonly capacityPerS: number;
  /** Requests that came for the first time. */
  readonly offeredPerS: number;
  /** Answers that ended. */
  readonly servedPerS: number;
  readonly capacityShare: number;
  readonly requests: number;
  /** Neither answered nor refused with a time to come back. */
  readonly failed: number;
  /** Answers whose first token, and refusals that, came after the deadline. */
  readonly pastDeadline: number;
  readonly refusedFirst: number;
  readonly refusedAtOnceShare: number;
  readonly refusalMs: Percentiles;
  readonly retryAfterS: { readonly p50: number; readonly p90: number; readonly max: number };
  readonly retries: number;
  readonly retriesServedShare: number;
  /** The same of those that came while new load was offered still. */
  readonly retriesInOverload: number;
  readonly retriesInOverloadServedShare: number;
  /** Retries that were taken in, and waited until their deadline. */
  readonly retriesWaitedInVain: number;
  readonly lightRefused: number;
  readonly lightIdle: KeyFigures;
  readonly light: KeyFigures;
  readonly heavy: KeyFigures;
  /** p99 of the light key in the overload by its p99 alone. */
  readonly lightTtftRatio: number;
  readonly lightAnswerRatio: number;
  readonly leakedLeases: number;
  /** Requests in the engines after the last answer. */
  readonly inFlight: number;
  readonly crashes: readonly string[];
};

type Fleet = Pick<OverloadRow, "engines" | "running" | "capacityPerS" | "factor">;

/** What was sent while the fleet was overloaded, and after. */
export type Overload = {
  readonly sendings: readonly Sending[];
  readonly startedMs: number;
  readonly seconds: number;
  readonly deadlineMs: number;
};

export function overloadRow(
  fleet: Fleet,
  idle: readonly Sending[],
  { sendings, startedMs, seconds, deadlineMs }: Overload,
  truth: LoadTruth,
  crashes: readonly string[],
): OverloadRow {
  const endMs = startedMs + 1_000 * seconds;
  const first = sendings.filter(({ attempt }) => attempt === 1);
  const retries = sendings.filter(({ attempt }) => attempt === 2);
  const refused = first.filter(isRefused);
  const refusalsMs = ascending(refused.map(({ outcome }) => outcome.endMs));
  const toldS = ascending(refused.map(({ retryAfterS = 0 }) => retryAfterS));
  const inOverload = retries.filter(({ atMs }) => atMs < endMs);
  const servedInTime = sendings.filter((one) => isServed(one) && one.atMs + one.outcome.endMs < endMs);
  const of = (tenant: Tenant) => sendings.filter((one) => one.tenant === tenant);
  const [lightIdle, light] = [keyFigures(idle), keyFigures(of("light"))];
  return {
    ...fleet,
    capacityPerS: rounded(fleet.capacityPerS),
    seconds,
    deadlineMs,
    offeredPerS: rounded(first.length / seconds),
    servedPerS: rounded(servedInTime.length / seconds),
    capacityShare: rounded(servedInTime.length / seconds / fleet.capacityPerS),
    requests: sendings.length,
    failed: sendings.filter((one) => !isServed(one) && !isRefused(one)).length,
    pastDeadline: sendings.filter(({ outcome }) => (outcome.ttftMs ?? outcome.endMs) > deadlineMs).length,
    refusedFirst: refused.length,
    refusedAtOnceShare: shareOf(refused, ({ outcome }) => outcome.endMs <= AT_ONCE_MS),
    refusalMs: { p50: rounded(percentile(refusalsMs, 0.5)), p99: rounded(percentile(refusalsMs, 0.99)) },
    retryAfterS: { p50: percentile(toldS, 0.5), p90: percentile(toldS, 0.9), max: toldS.at(-1) ?? 0 },
    retries: retries.length,
    retriesServedShare: shareOf(retries, isServed),
    retriesInOverload: inOverload.length,
    retriesInOverloadServedShare: shareOf(inOverload, isServed),
    retriesWaitedInVain: retries.filter((one) => isRefused(one) && one.outcome.endMs > AT_ONCE_MS).length,
    lightRefused: of("light").filter(isRefused).length,
    lightIdle,
    light,
    heavy: keyFigures(of("heavy")),
    lightTtftRatio: rounded(quotient(light.ttftMs.p99, lightIdle.ttftMs.p99)),
    lightAnswerRatio: rounded(quotient(light.answerMs.p99, lightIdle.answerMs.p99)),
    leakedLeases: truth.openLeases,
    inFlight: truth.inFlight,
    crashes,
  };
}

/** What must hold; a line for each thing that does not. */
export function missedGoals(row: OverloadRow): string[] {
  const goals: readonly (readonly [boolean, string])[] = [
    [row.failed === 0, `${row.failed} requests were neither answered nor told when to come back`],
    [row.pastDeadline === 0, `${row.pastDeadline} requests ended past their deadline`],
    [row.retriesServedShare >= 0.9, `${percentText(row.retriesServedShare)} of the retries were served, goal 90 %`],
    [
      row.retriesInOverload === 0 || row.retriesInOverloadServedShare >= 0.9,
      `${percentText(row.retriesInOverloadServedShare)} of the retries in the overload were served, goal 90 %`,
    ],
    [row.lightRefused === 0, `${row.lightRefused} requests of the light key were refused`],
    [row.lightTtftRatio <= 2, `the light key's p99 TTFT is ${row.lightTtftRatio} times its idle one, goal 2`],
    [row.lightAnswerRatio <= 2, `the light key's p99 answer is ${row.lightAnswerRatio} times its idle one, goal 2`],
    [row.leakedLeases === 0, `${row.leakedLeases} leases are open after the last answer`],
    [row.inFlight === 0, `${row.inFlight} requests are in flight in the engines after the last answer`],
  ];
  return [...goals.filter(([held]) => !held).map(([, line]) => line), ...row.crashes];
}

function isServed({ outcome }: Sending): boolean {
  return outcome.kind === "completed";
}

function isRefused({ retryAfterS }: Sending): boolean {
  return retryAfterS !== undefined;
}

function keyFigures(sendings: readonly Sending[]): KeyFigures {
  const served = sendings.filter(isServed).map(({ outcome }) => outcome);
  return {
    requests: served.length,
    routeMs: percentiles(served.map((outcome) => serverTimingMs(outcome, "route") ?? 0)),
    ttftMs: percentiles(served.map(({ ttftMs = 0 }) => ttftMs)),
    answerMs: percentiles(served.map(({ endMs }) => endMs)),
  };
}

function percentiles(values: readonly number[]): Percentiles {
  const sorted = ascending(values);
  return { p50: rounded(percentile(sorted, 0.5)), p99: rounded(percentile(sorted, 0.99)) };
}

function shareOf(sendings: readonly Sending[], holds: (sending: Sending) => boolean): number {
  return rounded(quotient(sendings.filter(holds).length, sendings.length));
}

function percentText(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function ascending(values: readonly number[]): number[] {
  return values.toSorted((a, b) => a - b);
}

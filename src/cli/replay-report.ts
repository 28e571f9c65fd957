import type { RecordedDecision } from "../routing/recorded-decision.ts";
import { podNames } from "./pod-names.ts";
import type { ReplayedChoice, ReplayedLog } from "./replayed-log.ts";
import { figure, percent, textTable } from "./text-columns.ts";

/** A policy's choices over a whole log. */
export type ReplayRow = {
  readonly policy: string;
  /** Share of decisions that went to another pod than the recorded one. */
  readonly changedShare: number;
  readonly meanTtftMs: number;
  readonly p90TtftMs: number;
  /** Prompt tokens that the chosen pods are believed to have cached, of all. */
  readonly matchedShare: number;
  /** Requests of the pod chosen most often, against the mean of all pods that were candidates. */
  readonly spread: number;
};

/** A decision that came out otherwise. */
export type ReplayedChange = ReplayedChoice & { readonly policy: string };

/** Sums up a log under one policy. The log is not empty. */
export function replayRow({ policy, choices }: ReplayedLog): ReplayRow {
  const ttftsMs = choices.map(({ ttftMs }) => ttftMs);
  const requests = new Map<string, number>();
  let matchedTokens = 0;
  let promptTokens = 0;
  for (const { decision, chosen } of choices) {
    for (const { id } of decision.candidates) if (!requests.has(id)) requests.set(id, 0);
    const candidate = decision.candidates[chosen];
    if (candidate === undefined) continue;
    requests.set(candidate.id, (requests.get(candidate.id) ?? 0) + 1);
    matchedTokens += candidate.matchedTokens;
    promptTokens += decision.request.promptTokens;
  }
  return {
    policy: policy?.label ?? "as recorded",
    changedShare: choices.filter(({ decision, chosen }) => chosen !== decision.chosen).length / choices.length,
    meanTtftMs: mean(ttftsMs),
    p90TtftMs: quantile(ttftsMs, 0.9),
    matchedShare: promptTokens === 0 ? 0 : matchedTokens / promptTokens,
    spread: Math.max(...requests.values()) / (choices.length / requests.size),
  };
}

/** The decisions that changed most by predicted TTFT, over all policies. */
export function largestChanges(logs: readonly ReplayedLog[], most: number): ReplayedChange[] {
  return logs
    .flatMap(({ policy, choices }) =>
      choices.flatMap((choice) =>
        policy === undefined || choice.chosen === choice.decision.chosen ? [] : [{ ...choice, policy: policy.label }],
      ),
    )
    .sort((a, b) => Math.abs(differenceMs(b)) - Math.abs(differenceMs(a)))
    .slice(0, most);
}

/** The report as lines of text. */
export function replayLines(logs: readonly ReplayedLog[], mostChanges: number): string[] {
  const decisions = logs[0]?.choices.map(({ decision }) => decision) ?? [];
  const changes = largestChanges(logs, mostChanges);
  return [
    ...measuredLines(decisions),
    "",
    ...textTable<ReplayRow>(
      [
        { title: ["policy"], value: ({ policy }) => policy },
        { title: ["changed"], figures: true, value: ({ changedShare }) => percent(changedShare) },
        { title: ["predicted TTFT", "mean ms"], figures: true, value: ({ meanTtftMs }) => figure(meanTtftMs) },
        { title: ["", "p90 ms"], figures: true, value: ({ p90TtftMs }) => figure(p90TtftMs) },
        { title: ["matched", "of tokens"], figures: true, value: ({ matchedShare }) => percent(matchedShare) },
        { title: ["busiest pod", "of mean"], figures: true, value: ({ spread }) => spread.toFixed(2) },
      ],
      logs.map(replayRow),
    ),
    ...(changes.length === 0 ? [] : ["", ...changeLines(changes)]),
  ];
}

function measuredLines(decisions: readonly RecordedDecision[]): string[] {
  const policies = [...new Set(decisions.map(({ policy }) => policy))].join(", ");
  const ttftsMs = decisions.flatMap(({ outcome }) => outcome?.ttftMs ?? []);
  const overS = decisions.length < 2 ? 0 : (momentOf(decisions.at(-1)) - momentOf(decisions[0])) / 1_000;
  const lines = [`${figure(decisions.length)} decisions in ${figure(overS)} s, by ${policies}`];
  if (ttftsMs.length > 0) {
    const measured = `mean ${figure(mean(ttftsMs))} ms, p90 ${figure(quantile(ttftsMs, 0.9))} ms`;
    lines.push(`measured TTFT of ${figure(ttftsMs.length)} of them: ${measured}`);
  }
  return lines;
}

function changeLines(changes: readonly ReplayedChange[]): string[] {
  const names = podNames(changes.flatMap(({ decision }) => decision.candidates.map(({ id }) => id)));
  const podOf = ({ decision }: ReplayedChange, index: number) => names.shortOf(decision.candidates[index]?.id ?? "");
  return textTable<ReplayedChange>(
    [
      { title: ["at", "s"], figures: true, value: ({ decision }) => (decision.atMs / 1_000).toFixed(3) },
      { title: ["lease"], value: ({ decision }) => decision.lease },
      { title: ["prompt", "tokens"], figures: true, value: ({ decision }) => figure(decision.request.promptTokens) },
      { title: ["recorded"], value: (change) => podOf(change, change.decision.chosen) },
      { title: ["TTFT", "ms"], figures: true, value: ({ recordedTtftMs }) => figure(recordedTtftMs) },
      { title: ["instead, by"], value: ({ policy }) => policy },
      { title: ["pod"], value: (change) => podOf(change, change.chosen) },
      { title: ["TTFT", "ms"], figures: true, value: ({ ttftMs }) => figure(ttftMs) },
      { title: ["difference", "ms"], figures: true, value: (change) => figure(differenceMs(change)) },
    ],
    changes,
  );
}

function differenceMs({ ttftMs, recordedTtftMs }: ReplayedChoice): number {
  return ttftMs - recordedTtftMs;
}

function momentOf(decision: RecordedDecision | undefined): number {
  return decision === undefined ? 0 : decision.startedAtMs + decision.atMs;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

/** Nearest rank. */
function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(share * values.length) - 1)] ?? 0;
}

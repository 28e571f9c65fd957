import type { CallOutcome } from "../load/call-outcome.ts";
import { median, rounded } from "../report/percentiles.ts";
import { type Column, fixed } from "../report/table.ts";
import type { ChaosFault } from "./chaos-faults.ts";

/** A row of `scripts/bench chaos`. */
export type ChaosRow = {
  readonly fault: ChaosFault | "none";
  readonly injected: number;
  /** Injections in whose time no request failed needlessly or went unanswered. */
  readonly survived: number;
  /** From the end of a fault until router and engines agree on every count, and no claim is false. */
  readonly recoveryMs: { readonly p50: number; readonly max: number };
  /** Leases that are open when nothing is in flight any more. */
  readonly leakedLeases: number;
  readonly falseClaims: number;
  /** Requests that had no end before the client's patience was over. */
  readonly unanswered: number;
  /** Requests that failed before their answer began, though other pods were well. */
  readonly needlessFailures: number;
  /** Streams that broke after their answer had begun: nobody could have saved them. */
  readonly brokenStreams: number;
  /** Left by their clients, as planned. */
  readonly aborted: number;
  readonly requests: number;
};

/** A request of the time in which a fault was tried. */
export type ChaosCall = { readonly outcome: CallOutcome; readonly round: number };

/** What a request's end says of those who were to answer it. */
export function verdictOf({ kind, status, text, problem }: CallOutcome): "well" | "broken" | "needless" | "unanswered" {
  if (kind !== "failed") return "well";
  if (problem?.startsWith("no end after")) return "unanswered";
  return status === 200 && text !== "" ? "broken" : "needless";
}

export function chaosRow(
  fault: ChaosRow["fault"],
  calls: readonly ChaosCall[],
  recoveriesMs: readonly number[],
  after: { readonly leakedLeases: number; readonly falseClaims: number },
): ChaosRow {
  const verdicts = calls.map(({ outcome }) => verdictOf(outcome));
  const count = (verdict: string): number => verdicts.filter((one) => one === verdict).length;
  const hurt = new Set(
    calls.flatMap(({ round }, i) => (verdicts[i] === "needless" || verdicts[i] === "unanswered" ? [round] : [])),
  );
  return {
    fault,
    injected: recoveriesMs.length,
    survived: recoveriesMs.length - hurt.size,
    recoveryMs: { p50: rounded(median(recoveriesMs)), max: rounded(Math.max(0, ...recoveriesMs)) },
    ...after,
    unanswered: count("unanswered"),
    needlessFailures: count("needless"),
    brokenStreams: count("broken"),
    aborted: calls.filter(({ outcome }) => outcome.kind === "aborted").length,
    requests: calls.length,
  };
}

/** The table for people. */
export const CHAOS_COLUMNS: readonly Column<ChaosRow>[] = [
  { title: "fault", value: ({ fault }) => fault },
  { title: "injected", value: ({ injected }) => injected },
  { title: "survived", value: ({ survived }) => survived },
  { title: "recovery p50 ms", value: ({ recoveryMs }) => fixed(recoveryMs.p50) },
  { title: "max", value: ({ recoveryMs }) => fixed(recoveryMs.max) },
  { title: "leaked leases", value: ({ leakedLeases }) => leakedLeases },
  { title: "false claims", value: ({ falseClaims }) => falseClaims },
  { title: "unanswered", value: ({ unanswered }) => unanswered },
  { title: "needless failures", value: ({ needlessFailures }) => needlessFailures },
  { title: "broken streams", value: ({ brokenStreams }) => brokenStreams },
  { title: "aborted", value: ({ aborted }) => aborted },
  { title: "requests", value: ({ requests }) => requests },
];

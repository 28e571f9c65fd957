import { type Column, fixed, percent } from "../report/table.ts";
import type { HitErrors } from "./hit-errors.ts";

/** A row of `scripts/bench exact`. Null: not measured in this kind of run. */
export type ExactRow = Omit<HitErrors, "failed"> & {
  readonly trace: string;
  readonly events: "on" | "off";
  readonly recheck: "on" | "off";
  readonly faults: string;
  readonly bufferSteps: number;
  readonly hybrid: string;
  readonly failed: number;
  /** Confirmed claims at the end. */
  readonly claims: number;
  /** While the fault lasts, or in the middle of an undisturbed run. */
  readonly falseClaimsNow: number | null;
  /** After the recovery, or at the end of an undisturbed run. */
  readonly falseClaimsAfter: number | null;
  /** Covered by blocks of the engine, but not claimed, at the end. */
  readonly unclaimedAfter: number | null;
  /** From the end of a fault until claims were right for the first time. */
  readonly recoveryMs: { readonly p50: number; readonly max: number } | null;
  /** Hit share after the last fault, of that of the undisturbed run over the same calls. */
  readonly hitShareRegained: number | null;
};

const count = (value: number | null): string => (value === null ? "-" : String(value));

/** The table for people. */
export const EXACT_COLUMNS: readonly Column<ExactRow>[] = [
  { title: "trace", value: ({ trace }) => trace },
  { title: "events", value: ({ events }) => events },
  { title: "recheck", value: ({ recheck }) => recheck },
  { title: "faults", value: ({ faults }) => faults },
  { title: "requests", value: ({ requests }) => requests },
  { title: "within", value: ({ withinShare }) => percent(withinShare) },
  { title: "error p1", value: ({ signedErrorTokens }) => signedErrorTokens.p1 },
  { title: "p50", value: ({ signedErrorTokens }) => signedErrorTokens.p50 },
  { title: "p99", value: ({ signedErrorTokens }) => signedErrorTokens.p99 },
  { title: "missed", value: ({ missedHitShare }) => percent(missedHitShare) },
  { title: "overstated", value: ({ overstatedShare }) => percent(overstatedShare) },
  { title: "hit share", value: ({ hitShare }) => percent(hitShare) },
  { title: "claims", value: ({ claims }) => claims },
  { title: "false now", value: ({ falseClaimsNow }) => count(falseClaimsNow) },
  { title: "after", value: ({ falseClaimsAfter }) => count(falseClaimsAfter) },
  { title: "unclaimed", value: ({ unclaimedAfter }) => count(unclaimedAfter) },
  {
    title: "recovery p50/max ms",
    value: ({ recoveryMs }) => (recoveryMs === null ? "-" : `${fixed(recoveryMs.p50)}/${fixed(recoveryMs.max)}`),
  },
  {
    title: "regained",
    value: ({ hitShareRegained }) => (hitShareRegained === null ? "-" : percent(hitShareRegained)),
  },
];

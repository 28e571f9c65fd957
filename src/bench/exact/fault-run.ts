import type { PlayedCall } from "../replay/play-policy.ts";
import { type ExactRun, type ExactRunOptions, runExact } from "./exact-run.ts";

export const FAULTS = ["collector_killed"] as const;

export type FaultRun = ExactRun & {
  readonly falseClaimsNow: number | null;
  readonly recoveryMs: { readonly p50: number; readonly max: number } | null;
  readonly hitShareRegained: number | null;
};

export async function runFault(
  _fault: string,
  options: Omit<ExactRunOptions, "onCall"> & { onCall: (done: number) => void },
  _undisturbed: readonly PlayedCall[],
): Promise<FaultRun> {
  return { ...(await runExact(options)), falseClaimsNow: null, recoveryMs: null, hitShareRegained: null };
}

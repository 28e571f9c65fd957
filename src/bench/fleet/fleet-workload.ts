import { randomStream } from "../../sim/engine/random-stream.ts";
import type { EngineProfile } from "../../sim/engine/step-time.ts";
import { prefillMs } from "../../sim/fleet/bounds.ts";
import type { FleetArrival, Workload } from "../../sim/fleet/workload.ts";
import type { FleetTrace, TimedCall } from "./fleet-calls.ts";

/** How much of a trace is put on a fleet. */
export type Demand =
  /** Work of all prompts, prefilled cold, as a share of the pods' time. */
  | { readonly kind: "load"; readonly load: number }
  /** Sessions at a time. */
  | {
      readonly kind: "sessions";
      readonly perPod: number;
      readonly horizonMs: number;
      /** In place of the trace's own pauses. */
      readonly thinkMs?: number | undefined;
      /** Each session is played once, and every call counts. */
      readonly once?: boolean | undefined;
    };

/** Pods that one copy of an open trace is meant for; larger fleets get several, which share nothing. */
const PODS_PER_COPY = 8;
const STEP_BUDGET = 8_192;

/** Puts a trace on a fleet of `pods` pods. Equal arguments, the seed included, give equal workloads. */
export function fleetWorkload(
  trace: FleetTrace,
  demand: Demand,
  fleet: { readonly pods: number; readonly profile: EngineProfile; readonly seed: number },
): Workload {
  const { unitTokens, idSpace, sessions } = trace;
  if (demand.kind === "sessions") {
    const { perPod, horizonMs, thinkMs, once = false } = demand;
    return {
      unitTokens,
      idSpace,
      kind: "closed",
      sessions: sessions.map((calls) => calls.map(({ call }) => (thinkMs === undefined ? call : { ...call, thinkMs }))),
      concurrent: Math.max(1, Math.round(perPod * fleet.pods)),
      horizonMs,
      once,
    };
  }
  return { unitTokens, idSpace, kind: "open", arrivals: openArrivals(sessions.flat(), demand.load, fleet) };
}

function openArrivals(
  calls: readonly TimedCall[],
  load: number,
  { pods, profile, seed }: { readonly pods: number; readonly profile: EngineProfile; readonly seed: number },
): FleetArrival[] {
  const random = randomStream(seed ^ 0x1e3779);
  const spread = spreadEqualTimes(
    calls.toSorted((a, b) => a.atMs - b.atMs),
    random,
  );
  const copies = Math.max(1, Math.round(pods / PODS_PER_COPY));
  const recordedMs = spread.at(-1)?.atMs ?? 0;
  const workMs = spread.reduce((sum, { call }) => sum + prefillMs(profile, call.promptTokens, 0, STEP_BUDGET), 0);
  const scale = (copies * workMs) / (load * pods * recordedMs);
  const arrivals: FleetArrival[] = [];
  for (let copy = 0; copy < copies; copy++) {
    const shiftMs = (copy * recordedMs) / copies;
    for (const { call, atMs } of spread) {
      arrivals.push({ atMs: ((atMs + shiftMs) % recordedMs) * scale, call, copy });
    }
  }
  return arrivals.sort((a, b) => a.atMs - b.atMs);
}

/** Coarse clocks record bursts that never were: calls of one time are spread up to the next time, in their order. */
function spreadEqualTimes(calls: readonly TimedCall[], random: () => number): TimedCall[] {
  const spread: TimedCall[] = [];
  let lastGapMs = 0;
  for (let from = 0; from < calls.length; ) {
    const atMs = (calls[from] as TimedCall).atMs;
    let to = from;
    while (calls[to]?.atMs === atMs) to++;
    const gapMs = to < calls.length ? (calls[to] as TimedCall).atMs - atMs : lastGapMs;
    lastGapMs = gapMs;
    const offsets = Array.from({ length: to - from }, () => (to - from > 1 ? random() * gapMs : 0)).sort(
      (a, b) => a - b,
    );
    for (let i = from; i < to; i++)
      spread.push({ call: (calls[i] as TimedCall).call, atMs: atMs + (offsets[i - from] as number) });
    from = to;
  }
  return spread;
}

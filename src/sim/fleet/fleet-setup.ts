import type { EngineProfile } from "../engine/step-time.ts";
import type { EngineRules } from "./fleet-engine.ts";

/** Something that happens to a pod during a run. A pod that is down loses its cache and its requests. */
export type Incident =
  | { readonly atMs: number; readonly kind: "down" | "up" | "drain" | "join"; readonly pod: number }
  /** From now on the pod's steps take `factor` times as long. */
  | { readonly atMs: number; readonly kind: "slow"; readonly pod: number; readonly factor: number };

/** A fleet and what its router gets to know of it. */
export type FleetSetup = {
  readonly profile: EngineProfile;
  readonly rules: EngineRules;
  /** Pods at the start; others come by `join`. */
  readonly pods: number;
  /** All engines have one cache, of all their sizes together. */
  readonly pooledCache: boolean;
  readonly scrapeMs: number;
  readonly eventDelayMs: number;
  /** Share of block changes that never reach the router. */
  readonly lostEventShare: number;
  /** From a request's arrival to its sending. */
  readonly routerMs: number;
  readonly rtt: RttModel | undefined;
  readonly incidents: readonly Incident[];
  readonly seed: number;
};

/** Regions of clients and pods: pod p is in region p mod regions, a request in a region drawn by its number. */
export type RttModel = {
  /** Round trip between two regions in ms: `rttMs[from][to]`. */
  readonly rttMs: readonly (readonly number[])[];
};

/** From the client of a request to a pod, one way; 0 without a model. */
export function halfRttMs(rtt: RttModel | undefined, index: number, pod: number): number {
  if (rtt === undefined) return 0;
  const regions = rtt.rttMs.length;
  return (rtt.rttMs[index % regions]?.[pod % regions] ?? 0) / 2;
}

/** Steps, memory and knowledge of the two engine models that runs are made with. */
export type FleetProfileName = "reference" | "fine";

const RULES: Readonly<Record<FleetProfileName, EngineRules>> = {
  // Frozen: the published comparison of policies was made with it.
  reference: { blockTokens: 512, stepBudget: 8_192, mostSequences: 256, memory: "reserve", answersReusable: false },
  fine: { blockTokens: 16, stepBudget: 8_192, mostSequences: 256, memory: "preempt", answersReusable: true },
};

/** The router's own time in each profile, as a decision takes it on its way through the edge. */
const ROUTER_MS: Readonly<Record<FleetProfileName, number>> = { reference: 0, fine: 2 };

/** A fleet of equal pods, metrics 50 ms and events 10 ms late, where nothing happens. */
export function fleetSetup(name: FleetProfileName, profile: EngineProfile, pods: number, seed: number): FleetSetup {
  return {
    profile,
    rules: RULES[name],
    pods,
    pooledCache: false,
    scrapeMs: 50,
    eventDelayMs: 10,
    lostEventShare: 0,
    routerMs: ROUTER_MS[name],
    rtt: undefined,
    incidents: [],
    seed,
  };
}

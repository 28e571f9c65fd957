import type { Chain } from "./pod-outlook.ts";
import type { PrefillRates } from "./prefill-cost.ts";

/** How much flows, per ms. */
export type Flow = { perMs(nowMs: number): number };

/** What policies read of a pod's outlook. Only the account it belongs to knows more of it. */
export type PodForecast = {
  /** Requests sent there. */
  readonly arrivals: Flow;
  /** Prefill work sent there, in ms: what flows is the share of the time that it takes. */
  readonly work: Flow;
};

/** A placement as far as the pod's memory matters. */
export type EvictionForecast<Pod extends PodForecast = PodForecast> = {
  readonly pod: Pod;
  readonly capacityTokens: number;
  /** Prompt tokens that the pod does not hold. */
  readonly newTokens: number;
  /** The chain the request continues: it does not push itself out. */
  readonly chain: Chain | undefined;
};

/**
 * What policies read of a model's outlook (see placement-outlook.ts), be it the router's own or what a recorded decision
 * kept of it. Pods are those of the same account. Reading changes nothing.
 */
export type PlacementForecast = {
  readonly rates: PrefillRates;
  /** What is lost on the way from where a request entered, in ms by cluster, as far as it is known. */
  readonly network: { from(origin: string): ReadonlyMap<string, number> };
  /** Arrivals of the whole fleet. */
  arrivalsPerMs(nowMs: number): number;
  /** Prefill work sent to the whole fleet, in ms: what flows is the number of pods it keeps busy. */
  workPerMs(nowMs: number): number;
  /** Time until a pod has prefilled what waits there. */
  backlogMs(pod: PodForecast, nowMs: number): number;
  /** Expected time of recomputing what a placement pushes out of the pod's cache. */
  evictionMs(placement: EvictionForecast, nowMs: number): number;
};

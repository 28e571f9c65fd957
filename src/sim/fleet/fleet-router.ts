import type { FleetEngine } from "./fleet-engine.ts";

/** A request as a router of the simulated fleet sees it. */
export type RoutedRequest = {
  /** The simulation's number of it. */
  readonly index: number;
  /** Ids of the prompt's full blocks. */
  readonly blocks: Uint32Array;
  readonly promptTokens: number;
  /** The conversation's name. */
  readonly session: string;
  /** How the conversation begins. */
  readonly opening?: string | undefined;
  /** Known to no real router. */
  readonly outputTokens: number;
};

/** How a request left its pod. */
export type RequestEnd = {
  readonly kind: "completed" | "failed";
  /** Prompt tokens the engine took from its cache. */
  readonly hitTokens: number;
};

/** A block that came into a pod's cache (`depth` counts the prompt's blocks before it) or left it (`depth` -1). */
export type BlockChange = { readonly id: number; readonly depth: number };

/** What a fleet's collector tells about one pod. */
export type PodReport = {
  readonly pod: number;
  /** Changes at each restart. */
  readonly epoch: number;
  readonly ready: boolean;
  /** Its gauges; undefined where the engine reports none. */
  readonly running: number | undefined;
  readonly waiting: number | undefined;
  /** 0 to 1. */
  readonly kvUsage: number | undefined;
  /** How old the gauges are. */
  readonly ageMs: number;
  /** Ordered. */
  readonly changes: readonly BlockChange[];
};

/** A request waits in the router until `FleetRouterSetting.released` is told of it. */
export const HELD = "held";

/** Chooses pods, by number. A router under test knows what it is told here; bounds look into the engines. */
export type FleetRouter = {
  /** The request's pod, or undefined if none can take it. */
  route(request: RoutedRequest, nowMs: number): number | typeof HELD | undefined;
  /** Its pod failed it before the first token: another pod, or undefined. */
  move(request: RoutedRequest, nowMs: number): number | undefined;
  firstToken(request: RoutedRequest, waitMs: number, nowMs: number): void;
  finish(request: RoutedRequest, end: RequestEnd, nowMs: number): void;
  report(reports: readonly PodReport[], nowMs: number): void;
  /** The time has come that it asked for by `FleetRouterSetting.wakeAt`. */
  wake?(nowMs: number): void;
};

/** What a router may be built from. The engines are for bounds only. */
export type FleetRouterSetting = {
  readonly engines: readonly FleetEngine[];
  readonly isUp: (pod: number) => boolean;
  readonly seed: number;
  /** Pod p is in region p mod regions, and a request enters in the region of its number. */
  readonly regions: number;
  readonly blockTokens: number;
  readonly capacityTokens: number;
  /** A held request leaves for a pod, or undefined: it waits no more. Never calls back. */
  readonly released: (index: number, pod: number | undefined) => void;
  readonly wakeAt: (atMs: number) => void;
};

/** Makes a router for a fleet about to start. */
export type FleetRouterMaker = (setting: FleetRouterSetting) => FleetRouter;

import type { RouteRequest } from "./placement.ts";

/** A request that came at some time and has no pod yet. Its id becomes its lease's. */
export type Arrival = { readonly id: string; readonly request: RouteRequest; readonly arrivedAtMs: number };

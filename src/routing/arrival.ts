import type { RouteRequest } from "./placement.ts";
import type { Policy } from "./policy.ts";

/** A request that came at some time and has no pod yet. Its id becomes its lease's. */
export type Arrival = {
  readonly id: string;
  readonly request: RouteRequest;
  /** The policy it asks for: it chooses when the request is placed. */
  readonly policy: Policy;
  readonly arrivedAtMs: number;
};

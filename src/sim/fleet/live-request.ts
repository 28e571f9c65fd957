import type { EngineRequest } from "./engine-request.ts";
import type { RoutedRequest } from "./fleet-router.ts";
import type { FleetCall } from "./workload.ts";

/** A request on its way. */
export type LiveRequest = RoutedRequest & {
  readonly call: FleetCall;
  readonly copy: number;
  /** Of the closed-loop client that waits for it; -1 in an open loop. */
  readonly client: number;
  sentMs: number;
  pod: number | undefined;
  engineRequest: EngineRequest | undefined;
};

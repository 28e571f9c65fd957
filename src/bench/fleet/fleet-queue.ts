import type { ProductionSetup } from "../../sim/fleet/production-router.ts";

/**
 * What becomes of requests for which no pod has room. `off`: they are sent all the same. `on`: they wait in the router,
 * as long as it takes. `refusing`: they wait as in production, where who would miss the deadline is refused.
 */
export type FleetQueue = "off" | "on" | "refusing";

export const FLEET_QUEUES: readonly FleetQueue[] = ["off", "on", "refusing"];

/** More than any simulation has of requests or milliseconds. */
const ENDLESS = 1e12;

/** The router's rules. `deadlineMs` is for those that refuse; without one, production's own holds. */
export function queueSetup(queue: FleetQueue, deadlineMs: number | undefined): ProductionSetup {
  switch (queue) {
    case "off":
      return {};
    case "on":
      return { rules: { queue: { mostWaiting: ENDLESS } }, deadlineMs: ENDLESS };
    case "refusing":
      return { rules: {}, deadlineMs };
  }
}

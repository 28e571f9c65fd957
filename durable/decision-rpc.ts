import type { DecisionQuery } from "../src/routing/decision-log.ts";
import type { Explanation } from "../src/routing/explanation.ts";
import type { RefusedRequest, RouteCall } from "./routing-rpc.ts";

/**
 * The part of the wire API between the Worker and a ModelRouter that tells of decisions (see routing-rpc.ts for what holds
 * of all of it).
 */

/** A request as `route` would take it, to be explained instead. */
export type ExplainCall = Omit<RouteCall, "explain" | "insteadOf" | "podsWanted">;

export type ExplainReply = Explanation | RefusedRequest;

/** Which of the recorded decisions are asked for. */
export type DecisionsCall = DecisionQuery;

/** JSON Lines, oldest first: the format of docs/explain.md. */
export type DecisionsReply = { readonly lines: string };

import type { Arrival } from "./arrival.ts";
import type { PromptWork } from "./held-requests.ts";
import type { RoomTerms } from "./open-pods.ts";
import type { Placement, RouteRefusal, RouteRequest } from "./placement.ts";
import type { Pod } from "./pod.ts";

/** The pod that a policy chose for a request, and what the request comes to there. */
export type PodChoice = PromptWork & {
  readonly ok: true;
  readonly pod: Pod;
  /** Opens the lease. Only before anything else happens: the choice is of this moment. */
  readonly open: () => Placement;
};

/** What dispatching asks of the router. */
export type Placer = {
  /** Pods that could take the request, busy or not. */
  readonly podsFor: (request: RouteRequest, nowMs: number) => readonly Pod[];
  /** Lets the policy choose among the pods, which are not none. */
  readonly choose: (arrival: Arrival, pods: readonly Pod[], nowMs: number) => PodChoice | RouteRefusal;
  /** Whether it goes on waiting where the pod that its policy chooses is not open. */
  readonly waitsForChoice: (arrival: Arrival) => boolean;
  /** About how long the prompt is, without a look at the index. */
  readonly promptTokensOf: (request: RouteRequest) => number;
  /** What the prompt comes to on the pod that holds most of it. */
  readonly workOf: (request: RouteRequest, pods: readonly Pod[]) => PromptWork;
  readonly roomTerms: (nowMs: number) => Omit<RoomTerms, "limits">;
  /** All pods of all models, fit or not. */
  readonly pods: () => readonly Pod[];
  /** A held request got a pod, or waits no more. */
  readonly released: (heldId: string, result: Placement | RouteRefusal) => void;
};

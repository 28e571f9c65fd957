import type { Arrival } from "./arrival.ts";
import { decide } from "./decide.ts";
import type { Dispatch } from "./dispatch.ts";
import { type Explanation, explanationOf } from "./explanation.ts";
import type { RouteRequest } from "./placement.ts";
import type { PodChoice } from "./placer.ts";
import type { Pod } from "./pod.ts";
import type { PodChooser } from "./pod-chooser.ts";
import type { Policy } from "./policy.ts";
import type { RouterState } from "./router-state.ts";
import type { QueueRules } from "./routing-rules.ts";

export type { Explanation } from "./explanation.ts";

/** A request to be explained: under which policy and rules, and when. */
export type Explained = {
  readonly request: RouteRequest;
  readonly policy: Policy;
  readonly rules: QueueRules;
  readonly nowMs: number;
};

/** What would become of a request, and why. Changes nothing. */
export function explain(
  explained: Explained,
  state: RouterState,
  chooser: PodChooser,
  dispatch: Dispatch,
): Explanation {
  const { request, policy, rules, nowMs } = explained;
  const choose = (pods: readonly Pod[]): PodChoice => {
    const terms = chooser.termsToExplain(request, policy, pods, nowMs);
    const { pod, promptTokens, matchedTokens } = decide(request, terms);
    const open = (): never => {
      throw new Error("an explanation opens no lease");
    };
    return { ok: true, pod, promptTokens, uncachedTokens: Math.max(0, promptTokens - matchedTokens), open };
  };
  const arrival: Arrival = { id: "explained", request, policy, arrivedAtMs: nowMs };
  const admission = dispatch.preview(arrival, rules, choose, nowMs);
  const terms = chooser.termsToExplain(request, policy, admission.pods, nowMs);
  return explanationOf(request, { terms, admission, nowMs, ...state });
}

import type { RoomTerms } from "./open-pods.ts";
import type { Placements } from "./placements.ts";
import type { Placer } from "./placer.ts";
import type { Pod } from "./pod.ts";
import type { PodChooser } from "./pod-chooser.ts";
import { isAdopting, type RouterState } from "./router-state.ts";

const NONE: ReadonlySet<string> = new Set();

/** What tells whether pods have room now, but for the limits. */
export function roomTerms(state: RouterState, nowMs: number): Omit<RoomTerms, "limits"> {
  const { outlook } = state;
  const backlogMs = (pod: Pod) => outlook.backlogMs(pod.outlook, nowMs);
  return { backlogMs, nowMs, adopting: isAdopting(state, nowMs) };
}

/** What dispatching asks of a router. */
export function placerOf(
  state: RouterState,
  chooser: PodChooser,
  placements: Placements,
  released: Placer["released"],
): Placer {
  const { registry, learner } = state;
  return {
    podsFor: ({ model, excludedPods }, nowMs) =>
      chooser.podsFor(model, excludedPods ? new Set(excludedPods) : NONE, nowMs),
    choose: ({ id: leaseId, request, policy }, pods, nowMs) =>
      placements.choose({ leaseId, request, policy, tried: new Set(request.excludedPods) }, pods, nowMs),
    waitsForChoice: ({ policy }) => policy.waitsForChoice === true,
    workOf: (request, pods) => chooser.workOf(request, pods),
    promptTokensOf: ({ promptTokens, promptBytes }) => promptTokens ?? promptBytes / learner.rates.bytesPerToken,
    roomTerms: (nowMs) => roomTerms(state, nowMs),
    pods: () => registry.pods,
    released,
  };
}

import type { Remedy } from "./claim-trust.ts";
import type { FeedVerdict } from "./feeds.ts";
import type { RegistryChange, ReportedPush } from "./pod-registry.ts";
import type { RouterState } from "./router-state.ts";

/** A pod of which it is not sure that its claims are the right ones, and what would make sure. */
export type UnsurePod = { readonly podId: string; readonly remedy: Remedy };

/** Takes a push's pods and claims. `replayed` changes nothing. `segmentBytes` is what the claims were cut by. */
export function takeReport(state: RouterState, push: ReportedPush, segmentBytes: number, nowMs: number): FeedVerdict {
  const { feeds, registry, claims, learner, health } = state;
  const verdict = feeds.take(push.source, push.instance, push.sequence);
  if (verdict === "replayed") return verdict;
  for (const change of registry.report(push.source, push.pods, nowMs)) follow(state, change, nowMs);
  health.setPods(registry.pods, nowMs);
  if (verdict === "resync") {
    for (const pod of registry.pods) if (pod.source === push.source) claims.doubt(pod);
  }
  for (const { podId, epoch, change } of push.claims) {
    const pod = registry.get(podId);
    if (pod?.source !== push.source || pod.facts.epoch !== epoch) continue;
    claims.apply(pod, change, nowMs);
    if (change.kind === "clear") pod.outlook.forget();
    if (change.kind === "store") learner.observeSegments(change.tokens, segmentBytes);
  }
  return verdict;
}

/** The pods of a source whose claims may not be the right ones. */
export function unsurePods({ registry, claims }: RouterState, source: string): UnsurePod[] {
  return registry.pods.flatMap((pod) => {
    const remedy = pod.source === source ? claims.remedyFor(pod) : undefined;
    return remedy === undefined ? [] : [{ podId: pod.id, remedy }];
  });
}

/** A pod came up anew, is to be trusted, or is gone. */
function follow({ claims, health }: RouterState, { kind, pod }: RegistryChange, nowMs: number): void {
  if (kind === "restarted") health.restarted(pod, nowMs);
  if (kind === "trusted") {
    claims.trust(pod);
    return;
  }
  claims.clearPod(pod);
  pod.outlook.forget();
}

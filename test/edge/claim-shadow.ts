import { type ClusterName, podIdOf } from "../../src/protocol/identifiers.ts";
import { isReset, type PushMessage } from "../../src/protocol/push-message.ts";

type ShadowPod = { source: string; epoch: string; readonly segments: Set<string> };

/** What a model's router has to hold after the pushes that it took, by the words of docs/push-format.md and no more. */
export class ClaimShadow {
  readonly #cluster: ClusterName;
  readonly #pods = new Map<string, ShadowPod>();

  constructor(cluster: ClusterName) {
    this.#cluster = cluster;
  }

  /** Each pod's epoch and number of claims. */
  sizes(): Record<string, { epoch: string; claims: number }> {
    return Object.fromEntries(
      Array.from(this.#pods, ([id, { epoch, segments }]) => [id, { epoch, claims: segments.size }]),
    );
  }

  take({ source, pods, claims }: PushMessage): void {
    const reported = new Set<string>();
    for (const { name, epoch } of pods) {
      const id = podIdOf(this.#cluster, name);
      reported.add(id);
      const pod = this.#pods.get(id);
      if (pod === undefined) this.#pods.set(id, { source, epoch, segments: new Set() });
      else {
        if (pod.epoch !== epoch) pod.segments.clear();
        pod.epoch = epoch;
        pod.source = source;
      }
    }
    for (const [id, pod] of this.#pods) if (pod.source === source && !reported.has(id)) this.#pods.delete(id);
    for (const claim of claims) {
      const pod = this.#pods.get(podIdOf(this.#cluster, claim.pod));
      if (pod === undefined || pod.source !== source || pod.epoch !== claim.epoch) continue;
      if (isReset(claim)) pod.segments.clear();
      else if (claim.kind !== "check") {
        for (const segment of namesOf(claim.segments)) {
          if (claim.kind === "store") pod.segments.add(segment);
          else pod.segments.delete(segment);
        }
      }
    }
  }
}

function namesOf(segments: Uint8Array): string[] {
  const view = new DataView(segments.buffer, segments.byteOffset, segments.byteLength);
  return Array.from({ length: segments.byteLength / 8 }, (_, i) => String(view.getBigUint64(8 * i)));
}

import type { Pod } from "./pod.ts";

/**
 * Facts of some pods in columns, for loops over all of them at every request. Good until the next report: that is when
 * facts change.
 */
export class PodColumns {
  readonly pods: readonly Pod[];
  readonly slots: Uint16Array;
  /** 1 where the pod's index is exact. */
  readonly exact: Uint8Array;
  /** Tokens of an engine's block, 1 where that is not known. */
  readonly blockTokens: Float64Array;

  constructor(pods: readonly Pod[]) {
    this.pods = pods;
    this.slots = new Uint16Array(pods.length);
    this.exact = new Uint8Array(pods.length);
    this.blockTokens = new Float64Array(pods.length);
    for (let i = 0; i < pods.length; i++) {
      const { slot, facts } = pods[i] as Pod;
      this.slots[i] = slot;
      this.exact[i] = facts.index.mode === "exact" ? 1 : 0;
      this.blockTokens[i] = facts.blockTokens ?? 1;
    }
  }
}

import type { Pod } from "./pod.ts";
import type { SpeculativeClaim, SpeculativeClaims } from "./speculative-claims.ts";

/** A claim that bridges the time until its events: confirmed, it goes; unconfirmed for too long, it is taken back. */
type Bridge = {
  readonly claim: SpeculativeClaim;
  /** When its prefill was done; undefined while it goes on. */
  prefilledAtMs: number | undefined;
};

/** Before any event was seen, how late they are taken to be. */
const ASSUMED_LAG_MS = 1_000;
const LEAST_PATIENCE_MS = 1_000;
const MOST_PATIENCE_MS = 15_000;
/** A claim lives this many event lags after its first token. */
const PATIENCE_LAGS = 3;
/** Weight of the newest observed lag. */
const LAG_WEIGHT = 0.1;

/** Speculative claims on pods whose events are trusted, each with an end: its events, or their not coming. */
export class ClaimBridges {
  readonly #speculative: SpeculativeClaims;
  /** By pod and claim. */
  readonly #bridges = new Map<string, Map<SpeculativeClaim, Bridge>>();
  /** Those whose prefill is done, longest waiting first. */
  readonly #due = new Set<Bridge>();
  #lagMs = ASSUMED_LAG_MS;

  constructor(speculative: SpeculativeClaims) {
    this.#speculative = speculative;
  }

  /** How long after a first token its events arrive. */
  get lagMs(): number {
    return this.#lagMs;
  }

  /** The claim waits for its events. */
  open(claim: SpeculativeClaim): void {
    this.#bridgesOf(claim.pod).set(claim, { claim, prefilledAtMs: undefined });
  }

  /** The claim's prefill is done: its events are due. Nothing happens if it waits for none. */
  settle(claim: SpeculativeClaim, nowMs: number): void {
    const bridge = this.#bridges.get(claim.pod.id)?.get(claim);
    if (bridge === undefined || bridge.prefilledAtMs !== undefined) return;
    bridge.prefilledAtMs = nowMs;
    this.#due.add(bridge);
  }

  /** Takes a claim back. False: it waits for no events. */
  takeBack(claim: SpeculativeClaim): boolean {
    const bridge = this.#bridges.get(claim.pod.id)?.get(claim);
    if (bridge === undefined) return false;
    this.#end(bridge);
    return true;
  }

  /** Ends the claims of a pod that events confirm now. */
  handOver(pod: Pod, isConfirmed: (claim: SpeculativeClaim) => boolean, nowMs: number): void {
    for (const bridge of this.#bridges.get(pod.id)?.values() ?? []) {
      const { claim, prefilledAtMs } = bridge;
      if (!isConfirmed(claim)) continue;
      if (prefilledAtMs !== undefined) this.#lagMs += LAG_WEIGHT * (nowMs - prefilledAtMs - this.#lagMs);
      this.#end(bridge);
    }
  }

  /** Takes back claims whose events did not come. */
  sweep(nowMs: number): void {
    const patienceMs = Math.min(MOST_PATIENCE_MS, Math.max(LEAST_PATIENCE_MS, PATIENCE_LAGS * this.#lagMs));
    for (const bridge of this.#due) {
      if (nowMs - (bridge.prefilledAtMs ?? nowMs) <= patienceMs) return;
      this.#end(bridge);
    }
  }

  /** The pod's speculative claims are gone. */
  clearPod(pod: Pod): void {
    for (const bridge of this.#bridges.get(pod.id)?.values() ?? []) this.#due.delete(bridge);
    this.#bridges.delete(pod.id);
  }

  #bridgesOf(pod: Pod): Map<SpeculativeClaim, Bridge> {
    let bridges = this.#bridges.get(pod.id);
    if (bridges === undefined) {
      bridges = new Map();
      this.#bridges.set(pod.id, bridges);
    }
    return bridges;
  }

  /** Drops a bridge's claim, but for what others that still stand have claimed too. */
  #end(bridge: Bridge): void {
    const { pod, segments, start } = bridge.claim;
    const bridges = this.#bridgesOf(pod);
    bridges.delete(bridge.claim);
    this.#due.delete(bridge);
    const kept: { readonly from: number; readonly to: number }[] = [];
    for (const other of bridges.keys()) {
      const to = sharedSegments(segments, other.segments);
      if (to > start && to > other.start) kept.push({ from: other.start, to });
    }
    if (kept.length > 1) kept.sort((a, b) => a.from - b.from);
    let done = start;
    for (const { from, to } of kept) {
      if (from > done) this.#speculative.drop(pod, segments, done, Math.min(from, segments.length / 2));
      done = Math.max(done, to);
    }
    this.#speculative.drop(pod, segments, done, segments.length / 2);
  }
}

/** Leading segments that two prompts share. A segment's hash covers all before it: equal ones have equal beginnings. */
function sharedSegments(one: Uint32Array, other: Uint32Array): number {
  let [from, to] = [0, Math.min(one.length, other.length) / 2];
  while (from < to) {
    const middle = (from + to) >>> 1;
    const isSame = one[2 * middle] === other[2 * middle] && one[2 * middle + 1] === other[2 * middle + 1];
    if (isSame) from = middle + 1;
    else to = middle;
  }
  return from;
}

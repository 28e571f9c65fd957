import { randomFillSync } from "node:crypto";
import type { ClaimChange } from "../../protocol/push-message.ts";
import { SYNTHETIC_EPOCH, syntheticPodName } from "../proxy/synthetic-pods.ts";

const HASH_BYTES = 8;
const SEGMENT_TOKENS = 64;
/** Segments that come and go together: a prompt of 3,200 tokens. */
const CHAIN_SEGMENTS = 50;
/** Segments of pods that are new in one push: 1.2 MB. */
const MOST_NEW_SEGMENTS = 100_000;

/** What the caches of some pods hold, which are full: what comes in takes the place of the oldest. */
export class ClaimChurn {
  /** By pod: its chains of hashes, the oldest first. Empty until the pod's cache was told of. */
  readonly #chains: Uint8Array<ArrayBuffer>[][];
  readonly #chainsPerPod: number;
  readonly #changesPerS: number;
  #next = 0;
  #toldUntilMs: number | undefined;
  #changed = 0;

  /** `claims`: segments of all pods together. `changesPerS`: segments stored and removed in a second, over all pods. */
  constructor(pods: number, claims: number, changesPerS: number) {
    this.#chains = Array.from({ length: pods }, () => []);
    this.#chainsPerPod = Math.max(1, Math.round(claims / pods / CHAIN_SEGMENTS));
    this.#changesPerS = changesPerS;
  }

  /** Whether every pod's cache was told of. */
  get isFull(): boolean {
    return this.#chains.every(({ length }) => length > 0);
  }

  /** Segments stored and removed in place of others so far. */
  get changed(): number {
    return this.#changed;
  }

  /** What is to be told at `nowMs`: all of some pods first, then what changed since the time before. */
  take(nowMs: number): ClaimChange[] {
    if (!this.isFull) return this.#fill();
    const chainMs = (1_000 * 2 * CHAIN_SEGMENTS) / this.#changesPerS;
    this.#toldUntilMs ??= nowMs;
    const chains = Math.floor((nowMs - this.#toldUntilMs) / chainMs);
    this.#toldUntilMs += chains * chainMs;
    return Array.from({ length: chains }, () => this.#replaceOne()).flat();
  }

  #fill(): ClaimChange[] {
    const changes: ClaimChange[] = [];
    const most = Math.max(1, Math.floor(MOST_NEW_SEGMENTS / (this.#chainsPerPod * CHAIN_SEGMENTS)));
    const empty = [...this.#chains.entries()].filter(([, { length }]) => length === 0);
    for (const [pod, chains] of empty.slice(0, most)) {
      chains.push(...Array.from({ length: this.#chainsPerPod }, newChain));
      changes.push({ kind: "restate", ...nameOf(pod) }, ...chains.map((segments) => stored(pod, segments)));
    }
    return changes;
  }

  #replaceOne(): ClaimChange[] {
    const pod = this.#next++ % this.#chains.length;
    const chains = this.#chains[pod] as Uint8Array<ArrayBuffer>[];
    const segments = newChain();
    chains.push(segments);
    this.#changed += 2 * CHAIN_SEGMENTS;
    const oldest = chains.shift() as Uint8Array<ArrayBuffer>;
    return [stored(pod, segments), { kind: "remove", ...nameOf(pod), segments: oldest }];
  }
}

const TOKENS = new Uint8Array(Uint32Array.from({ length: CHAIN_SEGMENTS }, (_, i) => SEGMENT_TOKENS * (i + 1)).buffer);

function stored(pod: number, segments: Uint8Array<ArrayBuffer>): ClaimChange {
  return { kind: "store", ...nameOf(pod), tier: "gpu", segments, tokens: TOKENS };
}

function nameOf(pod: number): { readonly pod: string; readonly epoch: string } {
  return { pod: syntheticPodName(pod), epoch: SYNTHETIC_EPOCH };
}

function newChain(): Uint8Array<ArrayBuffer> {
  return randomFillSync(new Uint8Array(HASH_BYTES * CHAIN_SEGMENTS));
}

import type { CopiedClaims } from "./claim-table.ts";

/** A kept claim: its segment's hash and the tokens up to it. A guess has no tokens. */
export const KEPT_CLAIM_BYTES = 12;
export const KEPT_GUESS_BYTES = 8;

/** Claims kept of one pod: 1 MB, the prompts of 5.5 million tokens. What is past them comes back by a resync. */
export const MOST_KEPT_CLAIMS = 87_000;

/**
 * A pod's claims as they are kept over a restart. They are an account of a moment that is past: whoever takes them up
 * counts them as guesses.
 */
export type KeptClaims = {
  readonly gpu: CopiedClaims;
  readonly host: CopiedClaims;
  /** Segments that no event confirms, the last touched first. */
  readonly guesses: Uint32Array;
};

/** What is kept of one pod. */
export type KeptPod = {
  readonly podId: string;
  readonly epoch: string;
  /** Undefined: the pod is gone, and nothing of it is kept any more. */
  readonly claims: KeptClaims | undefined;
};

/** A pod's claims are kept again after this long at the earliest: each time is a row. */
const KEEP_EVERY_MS = 60_000;
const NEVER = Number.MIN_SAFE_INTEGER;
/** In one tick. */
const MOST_ROWS = 4;
const MOST_BYTES = 1_000_000;

/**
 * Whose claims are kept when: of the pods whose claims changed, those first that have waited longest, so many a tick that
 * neither its bytes nor its rows go past a bound.
 */
export class KeepingOrder {
  /** By pod of which something is kept. */
  readonly #keptAtMs = new Map<string, number>();

  /** Something is kept of this pod from before. It may be kept anew at once. */
  found(podId: string): void {
    this.#keptAtMs.set(podId, NEVER);
  }

  /** Whether something is kept of a pod. */
  has(podId: string): boolean {
    return this.#keptAtMs.has(podId);
  }

  /** Of the pods that changed, those to keep now. `bytesOf`: about how much each takes. */
  due(changed: Iterable<string>, bytesOf: (podId: string) => number, nowMs: number): string[] {
    const waiting: { readonly podId: string; readonly atMs: number }[] = [];
    for (const podId of changed) {
      const atMs = this.#keptAtMs.get(podId) ?? NEVER;
      if (nowMs - atMs >= KEEP_EVERY_MS) waiting.push({ podId, atMs });
    }
    waiting.sort((a, b) => a.atMs - b.atMs);
    const due: string[] = [];
    let bytes = 0;
    for (const { podId } of waiting) {
      bytes += bytesOf(podId);
      if (due.length === MOST_ROWS || (due.length > 0 && bytes > MOST_BYTES)) break;
      due.push(podId);
    }
    return due;
  }

  /** The pod's claims are kept as of now. */
  done(podId: string, nowMs: number): void {
    this.#keptAtMs.set(podId, nowMs);
  }

  /** Nothing is kept of the pod any more. */
  dropped(podId: string): void {
    this.#keptAtMs.delete(podId);
  }
}

import { isDeepStrictEqual } from "node:util";
import { type ClaimChange, isReset } from "../../../src/protocol/push-message.ts";

export type ClaimedSegment = { readonly tier: "gpu" | "host"; readonly tokens: number };

/** What the edge knows of one pod after the changes it was sent: set semantics, in order. */
export class EdgeModel {
  /** By segment, as 16 hex digits. */
  readonly claims = new Map<string, ClaimedSegment>();
  readonly #before: ReadonlyMap<string, string>;
  changes = 0;
  clears = 0;
  checks = 0;

  /** `before` names the segment before each: that claims are closed under prefixes is checked after every change. */
  constructor(before: ReadonlyMap<string, string> = new Map()) {
    this.#before = before;
  }

  apply(changes: readonly ClaimChange[]): void {
    for (const change of changes) {
      this.#applyOne(change);
      for (const name of this.claims.keys()) {
        const before = this.#before.get(name);
        if (before !== undefined && !this.claims.has(before)) throw new Error(`${name} is claimed without ${before}`);
      }
    }
  }

  /** The sums of a tier's segments, as docs/push-format.md describes them. */
  sumsOf(tier: "gpu" | "host"): { readonly low: number; readonly high: number } {
    const names = [...this.claims].flatMap(([name, claim]) => (claim.tier === tier ? [name] : []));
    const sum = (from: number) =>
      Number(names.reduce((total, name) => total + BigInt(`0x${name.slice(from, from + 8)}`), 0n) % 2n ** 32n);
    return { low: sum(8), high: sum(0) };
  }

  #applyOne(change: ClaimChange): void {
    this.changes++;
    if (isReset(change)) {
      this.clears++;
      this.claims.clear();
      return;
    }
    if (change.kind === "check") {
      this.checks++;
      const { gpu, host } = change;
      const sums = { gpu: this.sumsOf("gpu"), host: this.sumsOf("host") };
      if (!isDeepStrictEqual({ gpu, host }, sums)) throw new Error("the sums are not those of what was claimed");
      return;
    }
    const names = segmentNames(change.segments);
    if (change.kind === "remove") {
      for (const name of names) this.claims.delete(name);
      return;
    }
    const tokens = new DataView(change.tokens.buffer, change.tokens.byteOffset, change.tokens.byteLength);
    for (const [i, name] of names.entries()) {
      this.claims.set(name, { tier: change.tier, tokens: tokens.getUint32(4 * i, true) });
    }
  }
}

/** Segments of eight little-endian bytes each, as hex digits. */
export function segmentNames(segments: Uint8Array): string[] {
  const view = new DataView(segments.buffer, segments.byteOffset, segments.byteLength);
  return Array.from({ length: segments.byteLength / 8 }, (_, i) =>
    view
      .getBigUint64(8 * i, true)
      .toString(16)
      .padStart(16, "0"),
  );
}

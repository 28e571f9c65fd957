import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GPU, HOST } from "../../../src/collector/translate/block-grade.ts";
import { ClaimLog } from "../../../src/collector/translate/claim-log.ts";
import { SegmentClaims } from "../../../src/collector/translate/segment-claims.ts";
import { EdgeModel } from "./edge-model.ts";

/** Few different low bits, so that segments crowd in the same slots. */
const segment = fc.record({ low: fc.constantFrom(1, 2, 1025, 2049, 1023, 2047), high: fc.nat(3) });
const step = fc.record({ segment, grade: fc.constantFrom(HOST, GPU), add: fc.boolean() });

function nameOf({ low, high }: { low: number; high: number }): string {
  return ((BigInt(high) << 32n) | BigInt(low)).toString(16).padStart(16, "0");
}

describe("SegmentClaims", () => {
  it("claims a segment at the best grade of the blocks that complete it, until the last one is gone", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 50, maxLength: 300 }), (steps) => {
        const log = new ClaimLog();
        const claims = new SegmentClaims(log);
        const edge = new EdgeModel();
        const counts = new Map<string, [number, number]>();
        for (const { segment, grade, add } of steps) {
          const name = nameOf(segment);
          const held = counts.get(name) ?? [0, 0];
          const tier = grade === GPU ? 1 : 0;
          if (!add && held[tier] === 0) continue;
          held[tier] += add ? 1 : -1;
          counts.set(name, held);
          if (add) claims.add(segment.low, segment.high, 7, grade);
          else claims.subtract(segment.low, segment.high, 7, grade);
          edge.apply(log.take());
          const expected = [...counts].filter(([, [host, gpu]]) => host + gpu > 0);
          expect(edge.claims).toEqual(
            new Map(expected.map(([name, [, gpu]]) => [name, { tier: gpu > 0 ? "gpu" : "host", tokens: 7 }])),
          );
          expect(claims.size).toBe(expected.length);
          expect(claims.digests).toEqual({ gpu: edge.sumsOf("gpu"), host: edge.sumsOf("host") });
        }
      }),
      { numRuns: 100 },
    );
  });

  it("keeps what it has while it grows", () => {
    const log = new ClaimLog();
    const claims = new SegmentClaims(log);
    for (let i = 1; i <= 10_000; i++) claims.add(i * 7, i, i, GPU);
    for (let i = 1; i <= 10_000; i += 2) claims.subtract(i * 7, i, i, GPU);
    const edge = new EdgeModel();
    edge.apply(log.take());
    expect(edge.claims.size).toBe(5000);
    expect(claims.size).toBe(5000);
    for (let i = 2; i <= 10_000; i += 2) claims.subtract(i * 7, i, i, GPU);
    edge.apply(log.take());
    expect(edge.claims.size).toBe(0);
  });
});

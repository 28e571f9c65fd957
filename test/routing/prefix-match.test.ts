import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NIL } from "../../src/routing/claim-pages.ts";
import { ClaimTable } from "../../src/routing/claim-table.ts";
import { PrefixMatcher } from "../../src/routing/prefix-match.ts";

/** A prompt of `length` segments whose hashes begin like those of every prompt with the same first letters. */
function segmentsOf(path: readonly number[]): Uint32Array {
  const segments = new Uint32Array(path.length * 2);
  let hash = 7;
  path.forEach((letter, i) => {
    hash = Math.imul(hash ^ (letter + 1), 16_777_619) >>> 0;
    segments[2 * i] = hash;
    segments[2 * i + 1] = i;
  });
  return segments;
}

function claim(table: ClaimTable, pod: number, segments: Uint32Array): void {
  for (let i = segments.length - 2; i >= 0; i -= 2) table.put(segments, i, pod, i * 50 + pod);
}

describe("prefix match", () => {
  it("finds the same depths as counting segment by segment, whatever it looked up before", () => {
    const path = fc.array(fc.nat(1), { maxLength: 40 });
    const claims = fc.array(fc.record({ pod: fc.nat(11), path }), { maxLength: 60 });
    fc.assert(
      fc.property(claims, fc.array(path, { minLength: 1, maxLength: 8 }), (claimed, prompts) => {
        const table = new ClaimTable();
        for (const { pod, path } of claimed) claim(table, pod, segmentsOf(path));
        const matcher = new PrefixMatcher([table]);
        for (const prompt of prompts) {
          const segments = segmentsOf(prompt);
          matcher.match(segments);
          for (let pod = 0; pod <= 11; pod++) {
            let depth = 0;
            while (depth < prompt.length && table.find(segments, 2 * depth, pod) !== NIL) {
              depth++;
            }
            expect(matcher.depth(pod)).toBe(depth);
            expect(matcher.word(pod)).toBe(depth === 0 ? 0 : (depth - 1) * 100 + pod);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it("copes with more holders than its lists first had room for", () => {
    const table = new ClaimTable();
    const segments = segmentsOf([0, 1, 0, 1, 1]);
    for (let pod = 0; pod < 3_000; pod++) claim(table, pod, segments.subarray(0, 2 * (1 + (pod % 5))));
    const matcher = new PrefixMatcher([table]);
    matcher.match(segments);
    for (let pod = 0; pod < 3_000; pod++) expect(matcher.depth(pod)).toBe(1 + (pod % 5));
  });

  it("goes on in another table from where it ended in the first", () => {
    const path = fc.array(fc.nat(1), { maxLength: 20 });
    const claims = fc.array(fc.record({ pod: fc.nat(40), path, settled: fc.nat(20) }), { maxLength: 80 });
    fc.assert(
      fc.property(claims, fc.array(path, { minLength: 1, maxLength: 4 }), (claimed, prompts) => {
        const [settled, pending] = [new ClaimTable(), new ClaimTable()];
        // What is pending begins where the settled part of the same path ends.
        for (const { pod, path, settled: part } of claimed) {
          const segments = segmentsOf(path);
          claim(settled, pod, segments.subarray(0, 2 * part));
          for (let at = 2 * part; at < segments.length; at += 2) pending.put(segments, at, pod, 1);
        }
        const [base, matcher] = [new PrefixMatcher([settled]), new PrefixMatcher([pending])];
        for (const prompt of prompts) {
          const segments = segmentsOf(prompt);
          base.match(segments);
          matcher.extend(base, segments);
          const depthFrom = (table: ClaimTable, first: number, pod: number) => {
            let depth = first;
            while (depth < prompt.length && table.find(segments, 2 * depth, pod) !== NIL) depth++;
            return depth;
          };
          for (let pod = 0; pod <= 40; pod++) {
            const settledDepth = depthFrom(settled, 0, pod);
            expect(base.depth(pod)).toBe(settledDepth);
            const depth = depthFrom(pending, settledDepth, pod);
            expect(matcher.depth(pod)).toBe(depth > settledDepth ? depth : 0);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfirmedClaims } from "../../src/routing/confirmed-claims.ts";
import type { Pod } from "../../src/routing/pod.ts";
import { PodRegistry } from "../../src/routing/pod-registry.ts";

const registry = new PodRegistry();
const pods: Pod[] = ["a", "b", "c"].map((id) =>
  registry.restore(
    "s",
    { id, cluster: "c", epoch: "1", url: "http://x", state: "ready", servedModels: [], index: { mode: "exact" } },
    0,
  ),
);

const word = fc.nat(9);
const change = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("store" as const),
      words: fc.array(word),
      tier: fc.constantFrom("gpu" as const, "host" as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("remove" as const), words: fc.array(word) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const) }) },
);

const segments = (words: readonly number[]) => Uint32Array.from(words.flatMap((word) => [word, ~word]));

describe("confirmed claims", () => {
  it("equal a map of sets with tiers under any sequence of changes, duplicates included", () => {
    const steps = fc.array(fc.record({ pod: fc.nat(2), change }), { maxLength: 80 });
    fc.assert(
      fc.property(steps, (steps) => {
        const claims = new ConfirmedClaims(() => 1_000_000);
        const model = pods.map(() => new Map<number, "gpu" | "host">());
        for (const { pod: index, change } of steps) {
          const pod = pods[index] as Pod;
          const held = model[index] as Map<number, "gpu" | "host">;
          if (change.kind === "clear") {
            claims.apply(pod, change);
            held.clear();
          } else if (change.kind === "remove") {
            claims.apply(pod, { kind: "remove", segments: segments(change.words) });
            for (const word of change.words) held.delete(word);
          } else {
            const tokens = Uint32Array.from(change.words, (word) => word * 10);
            claims.apply(pod, { kind: "store", tier: change.tier, segments: segments(change.words), tokens });
            for (const word of change.words) held.set(word, change.tier);
          }
        }
        pods.forEach((pod, index) => {
          const held = model[index] as Map<number, "gpu" | "host">;
          for (let word = 0; word <= 9; word++) expect(claims.has(pod, segments([word]), 0)).toBe(held.has(word));
          const hostSegments = [...held.values()].filter((tier) => tier === "host").length;
          expect(claims.podSizes(pod)).toEqual({ segments: held.size, hostSegments });
          claims.match(segments([3]));
          expect([claims.depth(pod), claims.tokens(pod), claims.hostSegments(pod)]).toEqual(
            held.has(3) ? [1, 30, held.get(3) === "host" ? 1 : 0] : [0, 0, 0],
          );
        });
        for (const pod of pods) claims.clearPod(pod);
        expect(claims.size).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it("stay within their bound: host-tier claims make room first, then stores are dropped and counted", () => {
    const claims = new ConfirmedClaims(() => 6 * 32);
    const [pod] = pods as [Pod];
    const store = (words: readonly number[], tier: "gpu" | "host") =>
      claims.apply(pod, { kind: "store", tier, segments: segments(words), tokens: new Uint32Array(words.length) });
    store([0, 1, 2], "host");
    store([3, 4, 5], "gpu");
    store([6, 7], "gpu");
    expect(claims.podSizes(pod)).toEqual({ segments: 6, hostSegments: 1 });
    expect(claims.dropped).toBe(0);
    store([8, 9], "gpu");
    expect(claims.podSizes(pod)).toEqual({ segments: 6, hostSegments: 0 });
    expect(claims.dropped).toBe(1);
    store([3], "gpu");
    expect(claims.dropped, "a claim that is there needs no room").toBe(1);
  });
});

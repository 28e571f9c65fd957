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

/** Tokens that a pod holds of the prompt looked up last, and segments of it in its host tier only. */
function matchOf(claims: ConfirmedClaims, { slot }: Pod): [number, number] {
  const { lastMatch, gpuDepths } = claims;
  const depth = lastMatch.depth(slot);
  return [lastMatch.word(slot), gpuDepths === undefined ? 0 : depth - (gpuDepths[slot] as number)];
}

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
          expect([claims.depth(pod), ...matchOf(claims, pod)]).toEqual(
            held.has(3) ? [1, 30, held.get(3) === "host" ? 1 : 0] : [0, 0, 0],
          );
        });
        for (const pod of pods) claims.clearPod(pod);
        expect(claims.size).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it("stay within their bound: the oldest host-tier claims of all pods make room, then stores are dropped and counted", () => {
    const claims = new ConfirmedClaims(() => 3 * 32 + 3 * 24);
    const [pod, other] = pods as [Pod, Pod];
    const store = (of: Pod, words: readonly number[], tier: "gpu" | "host") =>
      claims.apply(of, { kind: "store", tier, segments: segments(words), tokens: new Uint32Array(words.length) });
    store(pod, [0, 1], "host");
    store(other, [2], "host");
    store(pod, [3, 4, 5], "gpu");
    expect(claims.usedBytes).toBe(3 * 32 + 3 * 24);
    store(other, [6], "gpu");
    expect(claims.has(pod, segments([1]), 0), "the tail of the oldest store goes before its head").toBe(false);
    expect(claims.has(pod, segments([0]), 0)).toBe(true);
    store(other, [7], "gpu");
    store(pod, [8], "gpu");
    expect([claims.podSizes(pod), claims.podSizes(other)]).toEqual([
      { segments: 4, hostSegments: 0 },
      { segments: 2, hostSegments: 0 },
    ]);
    expect([claims.gaveWay, claims.dropped]).toEqual([3, 0]);
    store(pod, [9, 10], "gpu");
    expect([claims.gaveWay, claims.dropped]).toEqual([3, 1]);
    store(pod, [3], "gpu");
    expect(claims.dropped, "a claim that is there needs no room").toBe(1);
  });

  it("find, behind what the GPU tier holds of a prompt, what is left of it in the host tier", () => {
    const depths = fc.record({ pod: fc.nat(2), gpu: fc.nat(40), host: fc.nat(40), seed: fc.nat(1) });
    fc.assert(
      fc.property(fc.array(depths, { maxLength: 6 }), (stores) => {
        const claims = new ConfirmedClaims(() => 1_000_000);
        const chain = (seed: number) => segments(Array.from({ length: 40 }, (_, i) => (i < 8 ? i : i + 100 * seed)));
        const tokens = Uint32Array.from({ length: 40 }, (_, i) => 10 * (i + 1));
        const held = new Map<number, { gpu: number; host: number; seed: number }>();
        for (const { pod: index, gpu, host, seed } of stores) {
          if (held.has(index)) continue;
          held.set(index, { gpu, host: Math.max(gpu, host), seed });
          const pod = pods[index] as Pod;
          const whole = { segments: chain(seed).subarray(0, 2 * host), tokens: tokens.subarray(0, host) };
          const front = { segments: chain(seed).subarray(0, 2 * gpu), tokens: tokens.subarray(0, gpu) };
          claims.apply(pod, { kind: "store", tier: "host", ...whole });
          claims.apply(pod, { kind: "store", tier: "gpu", ...front });
        }
        claims.match(chain(0));
        for (const [index, { gpu, host, seed }] of held) {
          const pod = pods[index] as Pod;
          const depth = seed === 0 ? host : Math.min(host, 8);
          expect([claims.depth(pod), ...matchOf(claims, pod)]).toEqual([
            depth,
            10 * depth,
            depth - Math.min(depth, gpu),
          ]);
        }
      }),
    );
  });

  it("can be listed, parents first, and compared by sums that tell tiers apart and forget what went", () => {
    const [pod, other] = pods as [Pod, Pod];
    const words = Array.from({ length: 300 }, (_, i) => (i * 7_919) % 1_000);
    const claims = new ConfirmedClaims(() => 1_000_000);
    const store = (of: Pod, from: number, to: number, tier: "gpu" | "host") =>
      claims.apply(of, {
        kind: "store",
        tier,
        segments: segments(words.slice(from, to)),
        tokens: Uint32Array.from({ length: to - from }, (_, i) => 50 * (from + i + 1)),
      });
    store(pod, 0, 250, "gpu");
    store(pod, 250, 300, "host");
    claims.apply(pod, { kind: "remove", segments: segments(words.slice(100, 250)) });
    store(pod, 100, 200, "gpu");
    const seen: { word: number; tokens: number; tier: string }[] = [];
    claims.forEachClaim(pod, (low, high, tokens, tier) => {
      expect(high).toBe(~low >>> 0);
      seen.push({ word: low, tokens, tier });
    });
    expect(seen).toEqual(
      [...Array(200).keys(), ...Array.from({ length: 50 }, (_, i) => 250 + i)].map((i) => ({
        word: words[i],
        tokens: 50 * (i + 1),
        tier: i < 200 ? "gpu" : "host",
      })),
    );
    store(other, 100, 200, "gpu");
    store(other, 0, 100, "gpu");
    store(other, 250, 300, "gpu");
    expect(claims.podDigests(other)).not.toEqual(claims.podDigests(pod));
    store(other, 250, 300, "host");
    expect(claims.podDigests(other)).toEqual(claims.podDigests(pod));
    const none = { low: 0, high: 0 };
    claims.clearPod(pod);
    expect(claims.podDigests(pod)).toEqual({ gpu: none, host: none });
  });
});

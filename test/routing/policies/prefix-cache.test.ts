import { describe, expect, it } from "vitest";
import { newPolicyMemory } from "../../../src/routing/policy-memory.ts";
import { choices, context, fleet, named, place, request } from "./policy-fixtures.ts";

const matched = { matchedSegments: 10, matchedTokens: 999 };

describe("prefix-cache, as AIBrix decides", () => {
  const policy = named("prefix-cache");

  it("with counts 0, 0, 9 the spread of 9 leaves only the two zeros as candidates for a match", () => {
    expect(choices(policy, fleet({}, {}, { inFlight: 9, ...matched }))).toEqual(["a", "b"]);
  });

  it("with counts 0, 0, 8 there is no gate: the spread must be above 8", () => {
    const pods = fleet({ inFlight: 0 }, { inFlight: 8, ...matched });
    expect(choices(policy, pods)).toEqual(["b"]);
  });

  it("with counts 3, 3, 8 a full match on the 8 is rejected: the limit is 7.55", () => {
    const pods = fleet({ inFlight: 3 }, { inFlight: 3 }, { inFlight: 8, ...matched });
    expect(choices(policy, pods)).toEqual(["a", "b"]);
    expect(policy.decide(request, pods, context()).terms[2]).toBeCloseTo(7.55, 2);
  });

  it("with two pods and counts 0, 8 a match on the 8 is accepted: the limit is 9.66", () => {
    const pods = fleet({}, { inFlight: 8, ...matched });
    expect(choices(policy, pods)).toEqual(["b"]);
    expect(policy.decide(request, pods, context()).terms[2]).toBeCloseTo(9.66, 2);
  });

  it("prefers the higher percent, then the lower count; one percent is a match", () => {
    const by = (matchedSegments: number, inFlight: number) => ({ matchedSegments, inFlight });
    expect(choices(policy, fleet(by(9, 2), by(10, 2)))).toEqual(["b"]);
    expect(choices(policy, fleet(by(10, 1), by(10, 2)))).toEqual(["a"]);
    expect(choices(policy, fleet({}, by(1, 0)))).toEqual(["b"]);
  });

  it("without a match takes the pod with the fewest requests", () => {
    expect(choices(policy, fleet({ inFlight: 2 }, { inFlight: 1 }, { inFlight: 1 }))).toEqual(["b", "c"]);
  });

  it("takes other bounds, like those of AIBrix's release manifest", () => {
    const pods = fleet({ inFlight: 3 }, { inFlight: 3 }, { inFlight: 8, ...matched });
    expect(choices(named("prefix-cache", { imbalance: 16, deviations: 2 }), pods)).toEqual(["c"]);
  });
});

describe("prefix-cache-preble, as AIBrix decides", () => {
  const policy = named("prefix-cache-preble");
  const warm = { matchedSegments: 6 };

  it("sends a prompt of which more than half is cached to its holder that was sent the least lately", () => {
    const memory = newPolicyMemory();
    place(policy, fleet(warm), memory);
    expect(choices(policy, fleet(warm, warm, { matchedSegments: 5 }), request, memory)).toEqual(["b"]);
    expect(choices(policy, fleet(warm, {}), request, memory)).toEqual(["a"]);
  });

  it("sends any other to the pod with the least prefill work of cold prompts in its window", () => {
    const memory = newPolicyMemory();
    const pods = fleet({ matchedSegments: 5 }, {});
    const first = place(policy, pods, memory);
    const second = place(policy, pods, memory);
    expect([first, second].sort()).toEqual(["a", "b"]);
  });

  it("counts warm prompts as no work", () => {
    const memory = newPolicyMemory();
    for (let i = 0; i < 3; i++) place(policy, fleet({ matchedSegments: 10 }), memory);
    const [cost] = [policy.decide(request, fleet({}), context(1, memory)).terms[2]];
    expect(cost).toBe(45 * 150);
  });

  it("charges a cold prompt of 1,000 tokens on a V100 the regression's 313.7 ms", () => {
    const memory = newPolicyMemory();
    place(policy, fleet({}), memory);
    const cost = policy.decide(request, fleet({}), context(1, memory)).terms[2] ?? 0;
    expect(cost - 45 * 150).toBeCloseTo((271.06428 + 10.524 + 0.8) / 0.9, 2);
  });

  it("never charges less for a longer prompt than the shortest costs", () => {
    for (const [gpu, least] of [
      ["V100", 55.8 / 0.9],
      ["A6000", 22.32 / 0.9],
    ] as const) {
      for (let promptTokens = 1; promptTokens < 500; promptTokens += 7) {
        const memory = newPolicyMemory();
        const placing = named("prefix-cache-preble", { gpu });
        place(placing, fleet({}), memory, { asked: { ...request, promptTokens } });
        const cost = placing.decide(request, fleet({}), context(1, memory)).terms[2] ?? 0;
        expect(cost - 45 * 150).toBeGreaterThan(least - 1e-6);
      }
    }
  });

  it("forgets what is older than its window", () => {
    const memory = newPolicyMemory();
    place(policy, fleet({}), memory, { nowMs: 0 });
    const later = { ...context(1, memory), nowMs: 190_000 };
    expect(policy.decide(request, fleet({}), later).terms[1]).toBe(0);
  });

  it("has the same gate on the spread of counts", () => {
    expect(choices(policy, fleet({ inFlight: 9, matchedSegments: 10 }, {}))).toEqual(["b"]);
    expect(choices(policy, fleet({ inFlight: 8, matchedSegments: 10 }, {}))).toEqual(["a"]);
  });
});

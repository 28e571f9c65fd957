import { describe, expect, it } from "vitest";
import { pickSoftmax } from "../../../src/routing/policies/softmax-pick.ts";
import { seededRandom } from "../../../src/routing/random.ts";
import { choices, context, fleet, named } from "./policy-fixtures.ts";

const blocks = (count: number) => 16 * count;
const asked = { model: "m", promptTokens: blocks(10), segments: 10, choices: 1 };
const warm = (active: number) => ({
  blockTokens: 16,
  matchedSegments: 8,
  matchedTokens: blocks(8),
  promptTokensInFlight: blocks(active),
});
const idle = { blockTokens: 16 };

describe("kv-cost, as Dynamo computes", () => {
  const policy = named("kv-cost");

  it("8 of 10 blocks cached with 4 active cost 16 against 20 on an idle pod, with 9 active 21", () => {
    const { terms, chosen } = policy.decide(asked, fleet(warm(4), idle), context());
    expect([terms[0], terms[4], chosen]).toEqual([16, 20, 0]);
    expect(policy.decide(asked, fleet(warm(9), idle), context()).terms[0]).toBe(21);
    expect(choices(policy, fleet(warm(9), idle), asked)).toEqual(["b"]);
  });

  it("counts prefill that waits on the pod", () => {
    expect(policy.decide(asked, fleet({ ...idle, backlogTokens: blocks(7) }), context()).terms[0]).toBe(7 + 10 + 10);
  });

  it("credits blocks in host memory at 0.75", () => {
    const pods = fleet({ ...warm(0), hostSegments: 4 });
    expect(policy.decide(asked, pods, context()).terms[2]).toBe(4 + 0.75 * 4);
  });

  it("scales prefill, and without it looks at load alone", () => {
    expect(named("kv-cost", { prefillScale: 4 }).decide(asked, fleet(warm(4)), context()).terms[0]).toBe(4 * 2 + 14);
    expect(choices(named("kv-cost", { prefillScale: 0 }), fleet(warm(4), idle), asked)).toEqual(["b"]);
  });

  it("lets the credit decay with the prefill that waits beyond the least of all pods", () => {
    const pods = fleet({ ...warm(0), backlogTokens: blocks(10) }, idle);
    expect(named("kv-cost", { overlapDecay: 1 }).decide(asked, pods, context()).terms[2]).toBe(4);
    expect(policy.decide(asked, pods, context()).terms[2]).toBe(8);
  });

  it("multiplies with formula lmetric", () => {
    expect(named("kv-cost", { formula: "lmetric" }).decide(asked, fleet(warm(4)), context()).terms[0]).toBe(2 * 15);
  });

  it("breaks ties at random, and draws by softmax with a temperature", () => {
    expect(choices(policy, fleet(idle, idle), asked)).toEqual(["a", "b"]);
    expect(choices(named("kv-cost", { temperature: 1 }), fleet(warm(4), idle), asked)).toEqual(["a", "b"]);
    expect(choices(named("kv-cost", { temperature: 0.01 }), fleet(warm(4), idle), asked)).toEqual(["a"]);
  });
});

describe("the softmax draw", () => {
  const shareOfFirst = (costs: number[], temperature: number) => {
    const random = seededRandom(3);
    let first = 0;
    for (let i = 0; i < 20_000; i++) if (pickSoftmax(Float64Array.from(costs), temperature, random) === 0) first++;
    return first / 20_000;
  };

  it("with costs 10 and 20 and temperature 1 gives 0.731 to 0.269, whatever the scale", () => {
    expect(shareOfFirst([10, 20], 1)).toBeCloseTo(0.731, 2);
    expect(shareOfFirst([100, 200], 1)).toBeCloseTo(0.731, 2);
  });

  it("gives equal costs equal chances", () => {
    expect(shareOfFirst([7, 7], 0.1)).toBeCloseTo(0.5, 2);
  });
});

import { describe, expect, it } from "vitest";
import { newPolicyMemory } from "../../../src/routing/policy-memory.ts";
import { windowSum } from "../../../src/routing/sliding-window.ts";
import { choices, fleet, named, place, request } from "./policy-fixtures.ts";

const policy = named("vtc-basic");
const by = (user: string, promptTokens = 1_000) => ({ ...request, user, promptTokens });
const NOW = 1_000_000;

describe("vtc-basic, as AIBrix scores", () => {
  it("gives who was served little the first pods, who was served much the last, always the same ones", () => {
    const memory = newPolicyMemory();
    const pods = fleet({}, {}, {}, {});
    for (let i = 0; i < 5; i++) place(policy, pods, memory, { asked: by("heavy", 4_000) });
    place(policy, pods, memory, { asked: by("light", 100) });
    expect(choices(policy, pods, by("light"), memory)).toEqual(["a"]);
    // 5 x (4,000 + 2 x 6,000) tokens over a bucket of (400 + 80,000) / 2 is place 1.99.
    expect(choices(policy, pods, by("heavy"), memory)).toEqual(["c"]);
  });

  it("weighs utilization against fairness", () => {
    const pods = fleet({ inFlight: 100 }, { inFlight: 0 });
    expect(choices(policy, pods, by("new"))).toContain("b");
    expect(choices(named("vtc-basic", { utilizationWeight: 2 }), pods, by("new"))).toEqual(["b"]);
    expect(choices(named("vtc-basic", { utilizationWeight: 0 }), pods, by("new"))).toEqual(["a"]);
  });

  it("sends a request of nobody to any pod", () => {
    expect(choices(policy, fleet({ inFlight: 50 }, {}, {}), request)).toEqual(["a", "b", "c"]);
  });

  it("charges input once and output twice, first as estimated, then as the engine counts", () => {
    const memory = newPolicyMemory();
    place(policy, fleet({}), memory, { asked: by("u") });
    const served = memory.servedTokens.get("u");
    if (served === undefined) throw new Error("nothing was charged");
    expect(windowSum(served, NOW)).toBe(1_000 + 2 * 1_500);
    policy.settled?.({ request: by("u"), promptTokens: 900, completionTokens: 50, nowMs: NOW + 1 }, memory);
    expect(windowSum(served, NOW + 1)).toBe(900 + 2 * 50);
  });

  it("forgets what is older than its window", () => {
    const memory = newPolicyMemory();
    place(policy, fleet({}), memory, { asked: by("u") });
    const served = memory.servedTokens.get("u");
    expect(served && windowSum(served, NOW + 301_000)).toBe(0);
  });
});

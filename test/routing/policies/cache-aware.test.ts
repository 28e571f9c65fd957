import { describe, expect, it } from "vitest";
import { choices, fleet, named, request } from "./policy-fixtures.ts";

const holding = (matchedSegments: number, inFlight = 1) => ({ matchedSegments, inFlight });

describe("cache-aware, as vllm-router and SGLang's gateway decide", () => {
  const policy = named("cache-aware", { cacheThreshold: 0.5 });

  it("takes a match above the threshold, strictly: half is a miss at 0.5", () => {
    expect(choices(policy, fleet(holding(6), { inFlight: 0 }))).toEqual(["a"]);
    expect(choices(policy, fleet(holding(5), { inFlight: 0 }))).toEqual(["b"]);
    expect(choices(named("cache-aware"), fleet(holding(4), { inFlight: 0 }))).toEqual(["a"]);
    expect(choices(named("cache-aware"), fleet(holding(3), { inFlight: 0 }))).toEqual(["b"]);
  });

  it("with loads 1, 1, 1, 0 takes the warm pod on a hit, the idle one on a match of 40 % or without the holder", () => {
    const idle = { inFlight: 0 };
    expect(choices(policy, fleet({ inFlight: 1 }, holding(10), { inFlight: 1 }, idle))).toEqual(["b"]);
    expect(choices(policy, fleet({ inFlight: 1 }, holding(4), { inFlight: 1 }, idle))).toEqual(["d"]);
    expect(choices(policy, fleet({ inFlight: 1 }, { inFlight: 1 }, idle))).toEqual(["c"]);
  });

  it("with loads 65, 0 finds the fleet imbalanced, with 64, 0 not: both conditions, neither in case of equality", () => {
    expect(choices(policy, fleet(holding(10, 65), { inFlight: 0 }))).toEqual(["b"]);
    expect(choices(policy, fleet(holding(10, 64), { inFlight: 0 }))).toEqual(["a"]);
    // 195 - 130 > 64, but 195 is not above 1.5 x 130.
    expect(choices(policy, fleet(holding(10, 195), { inFlight: 130 }))).toEqual(["a"]);
    expect(choices(policy, fleet(holding(10, 196), { inFlight: 130 }))).toEqual(["b"]);
  });

  it("sends an empty prompt to the least loaded pod", () => {
    const empty = { ...request, segments: 0, promptTokens: 0 };
    expect(choices(policy, fleet({ inFlight: 1 }, {}), empty)).toEqual(["b"]);
  });

  it("orders equal loads by requests so far, then by place", () => {
    expect(choices(policy, fleet({ requests: 3 }, { requests: 2 }, { requests: 2 }))).toEqual(["b"]);
  });

  it("takes the least loaded of several holders", () => {
    expect(choices(policy, fleet(holding(10, 4), holding(10, 2), holding(9, 0)))).toEqual(["b"]);
  });

  it("finds the fleet imbalanced by KV use where that is switched on", () => {
    const hot = { ...holding(10), gauges: { kvUsage: 0.95 } };
    const cold = { gauges: { kvUsage: 0.2 } };
    expect(choices(policy, fleet(hot, cold))).toEqual(["a"]);
    expect(choices(named("cache-aware", { kvOverload: 0.9 }), fleet(hot, cold))).toEqual(["b"]);
    expect(choices(named("cache-aware", { kvSpread: 0.7 }), fleet(hot, cold))).toEqual(["b"]);
    expect(choices(named("cache-aware", { kvSpread: 0.7 }), fleet(hot, {}))).toEqual(["a"]);
  });
});

describe("cache-aware with SMG's spill of single candidates", () => {
  const policy = named("cache-aware", { spill: "candidate", balanceAbs: 4, balanceRel: 1.5 });

  it("leaves a matched pod only if it is itself above mean + 4 and 1.5 x mean", () => {
    // Mean 5: the holder may have up to 9.
    expect(choices(policy, fleet(holding(10, 9), { inFlight: 6 }, { inFlight: 0 }))).toEqual(["a"]);
    expect(choices(policy, fleet(holding(10, 11), { inFlight: 4 }, { inFlight: 0 }))).toEqual(["c"]);
  });

  it("keeps a match on an idle pod however imbalanced the others are", () => {
    const pods = fleet(holding(10, 1), { inFlight: 90 }, { inFlight: 0 });
    expect(choices(policy, pods)).toEqual(["a"]);
    expect(choices(named("cache-aware", { balanceAbs: 4 }), pods)).toEqual(["c"]);
  });
});

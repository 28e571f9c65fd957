import { describe, expect, it } from "vitest";
import type { EnginePace } from "../../../src/routing/engine-pace.ts";
import { newPolicyMemory } from "../../../src/routing/policy-memory.ts";
import { candidate, choices, context, fleet, named, place, request } from "./policy-fixtures.ts";

const pace = (change: Partial<EnginePace>): { readonly pace: EnginePace } => ({
  pace: {
    promptTokensPerS: undefined,
    generationTokensPerS: undefined,
    queueMs: undefined,
    firstTokenMs: undefined,
    decodeMs: undefined,
    promptTokens: undefined,
    generationTokens: undefined,
    ...change,
  },
});

describe("random", () => {
  it("takes any pod", () => {
    expect(choices(named("random"), fleet({}, { inFlight: 9 }, {}))).toEqual(["a", "b", "c"]);
  });
});

describe("round-robin", () => {
  const policy = named("round-robin");

  it("takes each pod in turn", () => {
    const memory = newPolicyMemory();
    const order = [1, 2, 3, 4, 5].map(() => place(policy, fleet({}, {}, {}), memory));
    expect(order).toEqual(["a", "b", "c", "a", "b"]);
  });

  it("keeps its place when pods come and go", () => {
    const memory = newPolicyMemory();
    const pods = (...ids: string[]) => ids.map((id) => candidate(id));
    expect(place(policy, pods("a", "c"), memory)).toBe("a");
    expect(place(policy, pods("a", "b", "c"), memory)).toBe("b");
    expect(place(policy, pods("a", "c"), memory)).toBe("c");
    expect(place(policy, pods("b", "c"), memory)).toBe("b");
  });

  it("does not count a retry as a turn, so that a failing pod gets its share of first tries only", () => {
    const memory = newPolicyMemory();
    const [failing, healthy] = fleet({}, {});
    if (failing === undefined || healthy === undefined) throw new Error("there are two pods");
    const firstTries = [1, 2, 3, 4].map(() => {
      const first = place(policy, [failing, healthy], memory);
      if (first === failing.id) place(policy, [healthy], memory, { retried: true });
      return first;
    });
    expect(firstTries).toEqual(["a", "b", "a", "b"]);
  });

  it("turns for each model name by itself", () => {
    const memory = newPolicyMemory();
    expect(place(policy, fleet({}, {}), memory)).toBe("a");
    expect(place(policy, fleet({}, {}), memory, { asked: { ...request, model: "lora" } })).toBe("a");
    expect(place(policy, fleet({}, {}), memory)).toBe("b");
  });
});

describe("least-request", () => {
  it("counts requests of others as the engine reports them", () => {
    expect(choices(named("least-request"), fleet({ inFlight: 1, foreign: 5 }, { inFlight: 4 }))).toEqual(["b"]);
  });

  it("breaks ties at random", () => {
    expect(choices(named("least-request"), fleet({}, {}, { inFlight: 1 }))).toEqual(["a", "b"]);
  });
});

describe("power-of-two", () => {
  it("with two pods always compares the same pair", () => {
    expect(choices(named("power-of-two"), fleet({ inFlight: 1 }, {}))).toEqual(["b"]);
  });

  it("splits equal loads evenly, since the draw is random", () => {
    const pods = fleet({}, {});
    let first = 0;
    for (let seed = 0; seed < 1_000; seed++) {
      if (named("power-of-two").decide(request, pods, context(seed)).chosen === 0) first++;
    }
    expect(Math.abs(first - 500)).toBeLessThan(60);
  });

  it("never takes the most loaded of three, and now and then not the least", () => {
    expect(choices(named("power-of-two"), fleet({}, { inFlight: 5 }, { inFlight: 9 }))).toEqual(["a", "b"]);
  });

  it("compares KV use where both pods tell it, requests otherwise", () => {
    const policy = named("power-of-two", { load: "kv" });
    const full = { gauges: { kvUsage: 0.9 } };
    const busy = { inFlight: 5, gauges: { kvUsage: 0.1 } };
    expect(choices(policy, fleet(full, busy))).toEqual(["b"]);
    expect(choices(policy, fleet({}, busy))).toEqual(["a"]);
    expect(choices(named("power-of-two"), fleet(full, busy))).toEqual(["a"]);
  });
});

describe("throughput", () => {
  it("takes the pod with the fewest tokens a second, prompt tokens twice", () => {
    const pods = fleet(
      pace({ promptTokensPerS: 100, generationTokensPerS: 0 }),
      pace({ promptTokensPerS: 0, generationTokensPerS: 150 }),
    );
    expect(choices(named("throughput"), pods)).toEqual(["b"]);
  });

  it("takes no pod it knows nothing of while it knows another, and the least busy one where it knows none", () => {
    const known = pace({ promptTokensPerS: 9_000, generationTokensPerS: 900 });
    expect(choices(named("throughput"), fleet({}, known))).toEqual(["b"]);
    expect(choices(named("throughput"), fleet({ inFlight: 1 }, {}))).toEqual(["b"]);
  });
});

describe("least-kv-cache", () => {
  it("takes the pod with the emptiest cache; unknown is not empty", () => {
    const pods = fleet({ gauges: { kvUsage: 0.6 } }, { gauges: { kvUsage: 0.5 } }, {});
    expect(choices(named("least-kv-cache"), pods)).toEqual(["b"]);
  });
});

describe("least-busy-time", () => {
  it("takes the pod that was busy the least", () => {
    expect(choices(named("least-busy-time"), fleet({ busyShare: 0.9 }, { busyShare: 0.2, inFlight: 3 }))).toEqual([
      "b",
    ]);
  });
});

describe("least-utilization", () => {
  it("takes the engine's own gauge where there is one", () => {
    const pods = fleet({ gauges: { utilization: 0.9, running: 1 } }, { gauges: { utilization: 0.3, running: 200 } });
    expect(choices(named("least-utilization"), pods)).toEqual(["b"]);
  });

  it("takes the fuller of cache and batch where there is none", () => {
    const policy = named("least-utilization", { mostRunning: 100 });
    const pods = fleet(
      { gauges: { running: 10, kvUsage: 0.7 } },
      { gauges: { running: 40, waiting: 20, kvUsage: 0.1 } },
    );
    expect([...policy.decide(request, pods, context()).terms]).toEqual([0.7, 1, 0.6, 1]);
  });
});

describe("least-latency", () => {
  const policy = named("least-latency");

  it("adds the queue's wait, the prefill of this prompt and the decode of a mean answer", () => {
    const pods = fleet(
      pace({ queueMs: 50, firstTokenMs: 250, decodeMs: 1_000, promptTokens: 2_000, generationTokens: 100 }),
      pace({ queueMs: 0, firstTokenMs: 200, decodeMs: 900, promptTokens: 500, generationTokens: 300 }),
    );
    const { terms } = policy.decide(request, pods, context());
    // a: 50 + 200 x 1000/2000 + 1000 x 200/100; b: 0 + 200 x 1000/500 + 900 x 200/300.
    expect(terms[0]).toBeCloseTo(2_150);
    expect(terms[2]).toBeCloseTo(1_000);
  });

  it("falls back on the router's own measure where no engine keeps times", () => {
    const pods = fleet({ firstTokenMs: 400, decodeMs: 100 }, { firstTokenMs: 100, decodeMs: 100 }, {});
    expect(choices(policy, pods)).toEqual(["b"]);
  });
});

describe("least-load, as SMG scores", () => {
  const gauges = (kvUsage: number) => ({ gauges: { kvUsage, generationTokensPerS: 2_000 } });

  it("2.0 s of queue at half a cache and an empty queue at 95 % come to 2.15 and 2.85 s", () => {
    const pods = fleet({ ...gauges(0.5), backlogTokens: 4_000 }, gauges(0.95));
    const { terms, chosen } = named("least-load").decide(request, pods, context());
    expect(terms[0]).toBeCloseTo(2.15);
    expect(terms[2]).toBeCloseTo(2.85);
    expect(chosen).toBe(0);
  });

  it("takes 2,000 tokens a second for a rate that is unknown or 0", () => {
    const pods = fleet({ gauges: { kvUsage: 0, generationTokensPerS: 0 }, backlogTokens: 3_000 });
    expect(named("least-load").decide(request, pods, context()).terms[0]).toBeCloseTo(1.5);
  });

  it("counts 1,024 tokens for each request of others that waits in the engine", () => {
    const pods = fleet({ foreign: 5, gauges: { kvUsage: 0, waiting: 2, generationTokensPerS: 1_024 } });
    expect(named("least-load").decide(request, pods, context()).terms[0]).toBeCloseTo(2);
  });

  it("estimates a pod without gauges by its requests, and compares requests where no pod has any", () => {
    const { terms } = named("least-load").decide(request, fleet({ inFlight: 2 }, gauges(0)), context());
    expect(terms[0]).toBeCloseTo(1.024);
    expect(choices(named("least-load"), fleet({ inFlight: 2, backlogTokens: 0 }, { inFlight: 1 }))).toEqual(["b"]);
  });
});

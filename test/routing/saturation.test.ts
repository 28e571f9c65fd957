import { describe, expect, it } from "vitest";
import { DEFAULT_SATURATION, type PodLoad, saturation } from "../../src/routing/saturation.ts";

const pod = (load: Partial<PodLoad>): PodLoad => ({
  inFlight: 1,
  foreign: 0,
  promptTokensInFlight: 0,
  capacityTokens: 100_000,
  backlogMs: 0,
  ...load,
});
const request = { promptTokens: 1_000, outputTokens: 500 };

describe("a pod is saturated", () => {
  it("by the number of its requests, those of others included", () => {
    const limits = { mostInFlight: 8 };
    expect(saturation(pod({ inFlight: 5, foreign: 2 }), request, limits)).toEqual({ free: true });
    expect(saturation(pod({ inFlight: 5, foreign: 3 }), request, limits)).toEqual({ free: false, why: "in_flight" });
  });

  it("by the KV memory the request would need, its answer included", () => {
    expect(saturation(pod({ promptTokensInFlight: 98_500 }), request, DEFAULT_SATURATION)).toEqual({ free: true });
    expect(saturation(pod({ promptTokensInFlight: 98_501 }), request, DEFAULT_SATURATION)).toEqual({
      free: false,
      why: "kv_memory",
    });
    expect(saturation(pod({ promptTokensInFlight: 78_501 }), request, { mostKvShare: 0.8 })).toEqual({
      free: false,
      why: "kv_memory",
    });
  });

  it("by the prefill work ahead", () => {
    expect(saturation(pod({ backlogMs: 249 }), request, DEFAULT_SATURATION)).toEqual({ free: true });
    expect(saturation(pod({ backlogMs: 250 }), request, DEFAULT_SATURATION)).toEqual({ free: false, why: "backlog" });
  });
});

describe("a pod is free", () => {
  it("for anything while it has no requests: a prompt larger than its cache will find none emptier", () => {
    const giant = { promptTokens: 1_000_000, outputTokens: 0 };
    const idle = pod({ inFlight: 0 });
    expect(saturation(idle, giant, { mostInFlight: 0, mostKvShare: 1, mostBacklogMs: 0 })).toEqual({ free: true });
  });

  it("as far as memory goes where its capacity is unknown", () => {
    const unknown = pod({ capacityTokens: undefined, promptTokensInFlight: 1e9 });
    expect(saturation(unknown, request, DEFAULT_SATURATION)).toEqual({ free: true });
  });

  it("without limits", () => {
    expect(saturation(pod({ inFlight: 1_000, backlogMs: 60_000 }), request, {})).toEqual({ free: true });
  });
});

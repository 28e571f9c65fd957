import { describe, expect, it } from "vitest";
import { newPolicyMemory } from "../../../src/routing/policy-memory.ts";
import { choices, context, fleet, named, place, request } from "./policy-fixtures.ts";

describe("a blend, by AIBrix's rule", () => {
  const warmButBusy = fleet({ inFlight: 9, matchedSegments: 10 }, { inFlight: 1, matchedSegments: 5 }, { inFlight: 5 });

  it("weighs each member's scores, scaled between the worst and the best candidate", () => {
    const policy = named("prefix-cache:3,least-request:1");
    const { terms } = policy.decide(request, warmButBusy, context());
    expect(policy.columns).toEqual(["blend", "prefix-cache", "least-request"]);
    expect([...terms]).toEqual([0.75, 1, 0, 0.625, 0.5, 1, 0.125, 0, 0.5]);
    expect(choices(policy, warmButBusy)).toEqual(["a"]);
    expect(choices(named("prefix-cache:2,least-request:1"), warmButBusy)).toEqual(["a", "b"]);
    expect(choices(named("prefix-cache,least-request"), warmButBusy)).toEqual(["b"]);
  });

  it("leaves members of weight 0 out", () => {
    const policy = named("prefix-cache:0,least-request:1");
    expect(policy.columns).toEqual(["blend", "least-request"]);
    expect(choices(policy, warmButBusy)).toEqual(["b"]);
  });

  it("gives equal pods 1 and pods a member knows nothing of 0", () => {
    const pods = fleet({ gauges: { kvUsage: 0.5 } }, { gauges: { kvUsage: 0.5 } }, {});
    const { terms } = named("least-kv-cache,least-request").decide(request, pods, context());
    expect([...terms]).toEqual([1, 1, 1, 1, 1, 1, 0.5, 0, 1]);
  });

  it("has neither gate nor deviation for the matched percent", () => {
    const pods = fleet({ inFlight: 0 }, { inFlight: 50, matchedSegments: 1 });
    expect(choices(named("prefix-cache:1"), pods)).toEqual(["b"]);
    expect(choices(named("prefix-cache"), pods)).toEqual(["a"]);
  });

  it("lets every member remember the placement and take its own parameters", () => {
    const memory = newPolicyMemory();
    const asked = { ...request, session: "5e55", user: "ce11" };
    const policy = named("session-affinity:2,vtc-basic:1", { "vtc-basic": { windowS: 60 } });
    place(policy, fleet({}, {}), memory, { asked });
    expect([...memory.sessions.keys()]).toEqual(["5e55"]);
    expect(memory.servedTokens.get("ce11")?.slotMs).toBe(6_000);
  });
});

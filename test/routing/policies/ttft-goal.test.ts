import { describe, expect, it } from "vitest";
import { choices, context, fleet, named, request } from "./policy-fixtures.ts";

// At 20 tokens/ms the warm pod waits 70 ms and prefills for 5, the idle one prefills for 50; a miss costs more than its prefill.
const pods = fleet(
  { matchedSegments: 9, matchedTokens: 900, backlogTokens: 1_400, inFlight: 1 },
  {},
  { backlogTokens: 2_000, inFlight: 1 },
);
const within = (sloTtftMs: number) => ({ ...request, sloTtftMs });

describe("warmpath with a goal for the first token", () => {
  const policy = named("warmpath");
  const ttftMs = (index: number) =>
    policy.decide(request, pods, context()).terms[index * policy.columns.length + policy.columns.indexOf("ttftMs")] ??
    0;

  it("leaves the warm pod for one that meets the goal, if the warm one misses it", () => {
    expect(choices(policy, pods)).toEqual(["a"]);
    expect(ttftMs(0)).toBeGreaterThan(ttftMs(1));
    expect(choices(policy, pods, within(ttftMs(1)))).toEqual(["b"]);
  });

  it("changes nothing where the choice meets the goal, or no pod does", () => {
    expect(choices(policy, pods, within(ttftMs(0)))).toEqual(["a"]);
    expect(choices(policy, pods, within(ttftMs(1) - 1))).toEqual(["a"]);
  });

  it("explains the decision with the terms of all pods", () => {
    const { terms, chosen } = policy.decide(within(ttftMs(1)), pods, context());
    expect(terms).toEqual(policy.decide(request, pods, context()).terms);
    expect(chosen).toBe(1);
  });
});

import { describe, expect, it } from "vitest";
import { choices, context, fleet, named, request } from "./policy-fixtures.ts";

const policy = named("affinity-filter");
const warm = (backlogTokens = 0) => ({ matchedSegments: 8, matchedTokens: 800, backlogTokens });
/** 18 s of prefill at llm-d's 15,928 tokens/s. */
const PENALTY_TOKENS = 286_704;

describe("affinity-filter, llm-d's default of 2026", () => {
  it("keeps to pods that have 80 % of the prompt", () => {
    expect(choices(policy, fleet(warm(50_000), {}))).toEqual(["a"]);
    expect(choices(policy, fleet({ ...warm(50_000), matchedSegments: 7 }, {}))).toEqual(["b"]);
  });

  it("takes the least loaded of them, ties at random", () => {
    expect(choices(policy, fleet(warm(50_000), warm(20_000), {}))).toEqual(["b"]);
    expect(choices(policy, fleet(warm(), warm(), {}))).toEqual(["a", "b"]);
  });

  it("lets go when the best of them would take more than 18 s longer than the best of the others", () => {
    expect(choices(policy, fleet(warm(PENALTY_TOKENS), {}))).toEqual(["a"]);
    expect(choices(policy, fleet(warm(PENALTY_TOKENS + 1), {}))).toEqual(["b"]);
    expect(choices(policy, fleet(warm(PENALTY_TOKENS + 1), { backlogTokens: 2 }))).toEqual(["a"]);
    expect(choices(policy, fleet(warm(PENALTY_TOKENS + 1), warm(), {}))).toEqual(["b"]);
  });

  it("with a penalty of 0 always sticks", () => {
    expect(choices(named("affinity-filter", { mostPenaltyMs: 0 }), fleet(warm(4_000_000), {}))).toEqual(["a"]);
  });

  it("without a warm pod takes the fewest uncached tokens in flight", () => {
    expect(choices(policy, fleet({ backlogTokens: 1 }, {}, { backlogTokens: 9 }))).toEqual(["b"]);
  });

  it("explores at the given probability", () => {
    const explores = named("affinity-filter", { explorationProbability: 1 });
    expect(choices(explores, fleet(warm(50_000), {}))).toEqual(["b"]);
  });

  it("can use the learned rate, and look ahead to the prompt's own tokens", () => {
    const learned = named("affinity-filter", { prefillTokensPerS: 0 });
    expect(learned.decide(request, fleet({ backlogTokens: 20_000 }), context()).terms[1]).toBe(1_000);
    const ahead = named("affinity-filter", { lookahead: true, prefillTokensPerS: 1_000 });
    expect([...ahead.decide(request, fleet(warm(), {}), context()).terms].filter((_, i) => i % 4 === 1)).toEqual([
      200, 1_000,
    ]);
  });
});

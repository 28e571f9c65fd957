import { describe, expect, it } from "vitest";
import { candidate, choices, named, request } from "./policy-fixtures.ts";

describe("warmpath", () => {
  const policy = named("warmpath");

  it("follows the cached prefix as long as the wait for it is shorter than the prefill it saves", () => {
    const warm = { matchedSegments: 9, matchedTokens: 900 };
    expect(choices(policy, [candidate("a", { ...warm, inFlight: 1, backlogTokens: 500 }), candidate("b")])).toEqual([
      "a",
    ]);
    expect(choices(policy, [candidate("a", { ...warm, inFlight: 9, backlogTokens: 9_000 }), candidate("b")])).toEqual([
      "b",
    ]);
  });

  it("weighs the work that waits, not the number of requests", () => {
    const fleet = [
      candidate("many-short", { inFlight: 5, backlogTokens: 500, headTokens: 100 }),
      candidate("one-long", { inFlight: 1, backlogTokens: 50_000, headTokens: 50_000 }),
    ];
    expect(choices(policy, fleet)).toEqual(["many-short"]);
  });

  it("takes the prefill at the head of the backlog as done in part", () => {
    const head = { inFlight: 1, backlogTokens: 20_000, headTokens: 20_000 };
    const fleet = [candidate("started", { ...head, headAgeMs: 900 }), candidate("fresh", { ...head, headAgeMs: 0 })];
    expect(choices(policy, fleet)).toEqual(["started"]);
  });

  it("sends a long prefill where it holds up fewer answers, a short one where the wait is shorter", () => {
    const fleet = [
      candidate("answering", { inFlight: 20 }),
      candidate("prefilling", { inFlight: 1, awaitingFirstToken: 1, backlogTokens: 2_000, headTokens: 2_000 }),
    ];
    expect(choices(policy, fleet, { ...request, promptTokens: 60_000 })).toEqual(["prefilling"]);
    expect(choices(policy, fleet, { ...request, promptTokens: 2_000 })).toEqual(["answering"]);
  });

  it("avoids a pod whose memory cannot take the prompt", () => {
    const fleet = [candidate("full", { promptTokensInFlight: 99_500, matchedTokens: 900 }), candidate("free")];
    expect(choices(policy, fleet)).toEqual(["free"]);
  });
});

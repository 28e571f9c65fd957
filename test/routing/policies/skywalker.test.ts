import { describe, expect, it } from "vitest";
import { choices, fleet, named } from "./policy-fixtures.ts";

const policy = named("skywalker");
const waiting = (count: number) => ({ gauges: { waiting: count } });

describe("skywalker's selective pushing", () => {
  it("pushes only to pods in whose engine no request waits, however warm the others are", () => {
    expect(choices(policy, fleet({ ...waiting(1), matchedSegments: 10 }, { ...waiting(0), inFlight: 9 }))).toEqual([
      "b",
    ]);
  });

  it("of those takes the longest match above half of the prompt, else the fewest requests", () => {
    const free = waiting(0);
    expect(choices(policy, fleet({ ...free, matchedSegments: 6, inFlight: 9 }, free))).toEqual(["a"]);
    expect(choices(policy, fleet({ ...free, matchedSegments: 5, inFlight: 9 }, free, free))).toEqual(["b", "c"]);
    expect(choices(policy, fleet({ ...free, matchedSegments: 6 }, { ...free, matchedSegments: 9 }))).toEqual(["b"]);
  });

  it("takes a pod that does not report its queue for available once its requests have their first tokens", () => {
    expect(choices(policy, fleet({ awaitingFirstToken: 1 }, { inFlight: 3 }))).toEqual(["b"]);
  });

  it("where every pod has a queue goes by match and requests among all", () => {
    expect(choices(policy, fleet({ ...waiting(2), inFlight: 4 }, { ...waiting(9), inFlight: 1 }))).toEqual(["b"]);
  });

  it("gives up the match in an imbalance where that is switched on", () => {
    const pods = fleet({ ...waiting(0), matchedSegments: 10, inFlight: 33 }, waiting(0));
    expect(choices(policy, pods)).toEqual(["a"]);
    expect(choices(named("skywalker", { imbalance: 32 }), pods)).toEqual(["b"]);
  });
});

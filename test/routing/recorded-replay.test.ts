import { describe, expect, it } from "vitest";
import { policyNamed, policyNames } from "../../src/routing/policies/registry.ts";
import { type RecordedDecision, termRows } from "../../src/routing/recorded-decision.ts";
import { decideAgain } from "../../src/routing/recorded-replay.ts";
import { NO_QUEUE, randomTraffic } from "./random-traffic.ts";

/** All decisions of a run, as they come back from a file. */
function recordedRun(policy: string, policyParameters?: string, queue = NO_QUEUE): RecordedDecision[] {
  const rules = { ...queue, decisions: { share: 1, keep: 10_000, mostBytes: 1e9 } };
  const { router } = randomTraffic({ policy, ...(policyParameters && { policyParameters }), rules, steps: 400 });
  return router.decisions
    .latest({ limit: 10_000 })
    .map((decision) => JSON.parse(JSON.stringify(decision)) as RecordedDecision);
}

const BLENDS = ["prefix-cache:2,least-request:1", "vtc-basic:3,session-affinity:1,least-latency:1"];
const WITH_PARAMETERS: [string, object][] = [
  ["weighted", { session: 4, noHitLru: 2, precisePrefix: 1, loraAffinity: 1, picker: "weighted-random" }],
  ["kv-cost", { temperature: 0.5, overlapDecay: 1 }],
  ["vtc-basic", { windowS: 7 }],
  ["prefix-cache-preble", { windowS: 5, gpu: "A6000" }],
  ["vtc-basic:2,least-request:1", { "vtc-basic": { windowS: 3 } }],
];

describe("a recorded decision", () => {
  it.each(
    [...policyNames(), ...BLENDS]
      .map((name): [string, object | undefined] => [name, undefined])
      .concat(WITH_PARAMETERS),
  )("of %s is decided the same way again, with the same terms", (name, parameters) => {
    const made = policyNamed(name, { ...parameters });
    if (!made.ok) throw new Error(made.problem);
    const recorded = recordedRun(name, parameters && JSON.stringify(parameters));
    expect(recorded.length).toBeGreaterThan(150);
    for (const decision of recorded) {
      const again = decideAgain(decision, made.policy);
      expect(again.chosen).toBe(decision.chosen);
      expect(termRows(again, decision.candidates.length, decision.columns.length)).toEqual(decision.terms);
    }
  });

  it("of warmpath with requests waiting in the router is decided the same way again", () => {
    const made = policyNamed("warmpath", {});
    if (!made.ok) throw new Error(made.problem);
    const recorded = recordedRun("warmpath", undefined, { queue: { mostBacklogMs: 40 } });
    expect(recorded.every(({ holdsRequests }) => holdsRequests === true)).toBe(true);
    for (const decision of recorded) {
      const again = decideAgain(decision, made.policy);
      expect(again.chosen).toBe(decision.chosen);
      expect(termRows(again, decision.candidates.length, decision.columns.length)).toEqual(decision.terms);
    }
  });

  it("is one of many: runs meet evictions, backlogs, sessions, moved requests and unknown gauges", () => {
    const recorded = recordedRun("warmpath");
    const candidates = recorded.flatMap((decision) => decision.candidates);
    expect(candidates.some(({ outlook }) => (outlook?.evictionMs ?? 0) > 0)).toBe(true);
    expect(candidates.some(({ outlook }) => (outlook?.backlogMs ?? 0) > 0)).toBe(true);
    expect(candidates.some(({ gauges }) => gauges === undefined)).toBe(true);
    expect(candidates.some(({ matchedTokens }) => matchedTokens > 0)).toBe(true);
    expect(recorded.some(({ retried }) => retried)).toBe(true);
    expect(recorded.some(({ flow }) => flow?.networkMs.length === 2)).toBe(true);
    expect(recordedRun("session-affinity").some(({ memory }) => memory.session !== undefined)).toBe(true);
    const last = (name: string) => recordedRun(name).at(-1)?.memory;
    expect(last("vtc-basic")?.servedTokens?.length).toBeGreaterThan(1);
    expect(last("prefix-cache-preble")?.podPlacements?.length).toBeGreaterThan(1);
  });
});

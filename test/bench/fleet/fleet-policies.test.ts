import { describe, expect, it } from "vitest";
import { fleetPlan } from "../../../src/bench/fleet/fleet-plan.ts";
import { askedPolicies } from "../../../src/bench/fleet/fleet-policies.ts";

describe("askedPolicies", () => {
  it("takes names separated by commas, bounds among them", () => {
    expect(askedPolicies("warmpath, pooled")).toEqual([{ policy: "warmpath" }, { policy: "pooled" }]);
  });

  it("takes one blend, or one policy with parameters", () => {
    const blend = "prefix-cache:2,least-request:1";
    expect(askedPolicies(blend)).toEqual([{ policy: blend }]);
    expect(askedPolicies('chwbl {"loadFactor": 1.5}')).toEqual([
      { policy: "chwbl", policyParameters: '{"loadFactor":1.5}' },
    ]);
    const parameters = '{"prefix-cache":{"imbalance":4}}';
    expect(askedPolicies(`${blend}${parameters}`)).toEqual([{ policy: blend, policyParameters: parameters }]);
  });

  it.each([
    ["magic", /no policy "magic"/],
    ["warmpath:1,random:1", /cannot be part of a blend/],
    ['chwbl {"factor": 1}', /it takes loadFactor/],
    ["chwbl {", /JSON/],
    ["pooled {}", /no policy "pooled"/],
  ])("says what is wrong with %s", (text, problem) => {
    expect(() => askedPolicies(text)).toThrow(problem);
  });
});

describe("fleetPlan", () => {
  it("runs each policy with each queue, and bounds once", async () => {
    const { settings } = await fleetPlan({
      trace: [undefined],
      scenario: ["steady"],
      profile: "reference",
      engine: "llama-3.1-8b-h100",
      cacheScale: 1,
      index: "events",
      pods: [2],
      policy: askedPolicies("warmpath,pooled"),
      queue: ["off", "refusing"],
      deadlineMs: 5_000,
      seeds: 2,
      seed: 1,
      horizonMs: 1_000,
      mostTokens: 1_000,
    });
    const cells = settings.flatMap((setting) => setting.cells.map((ofRun) => ofRun[0]));
    expect(cells.map((cell) => [cell?.policy, cell?.queue])).toEqual([
      ["warmpath", "off"],
      ["warmpath", "refusing"],
      ["pooled", "off"],
    ]);
  });
});

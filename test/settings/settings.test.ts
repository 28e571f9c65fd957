import { describe, expect, it } from "vitest";
import { routingRules } from "../../src/routing/routing-rules.ts";
import { decisionsSchema } from "../../src/settings/decision-settings.ts";
import { healthSchema, queueSchema } from "../../src/settings/queue-settings.ts";
import { parseSettings, SettingsError, type SettingsFile } from "../../src/settings/settings.ts";

const file: SettingsFile = {
  clusters: [{ name: "local", upstream: { kind: "direct" }, pushKeys: ["WARMPATH_CLUSTER_LOCAL_KEY"] }],
  models: [{ name: "qwen3-8b", adapters: ["sql-lora"] }],
};

function problems(change: object): readonly string[] {
  try {
    parseSettings({ ...file, ...change });
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

describe("settings", () => {
  it("fill in what a short file leaves out", () => {
    expect(parseSettings(file)).toMatchObject({
      keys: [],
      limits: { bodyBytes: 8 * 1024 * 1024, attempts: 3, usageOneIn: 16 },
      models: [{ policy: { name: "warmpath", parameters: {} }, segmentBytes: 256, prompt: { renderer: "none" } }],
    });
  });

  it("are read from JSON text as well", () => {
    expect(parseSettings(JSON.stringify(file))).toEqual(parseSettings(file));
    expect(() => parseSettings("{")).toThrow(/not JSON/);
  });

  it("name each wrong field by its path", () => {
    const models = [
      { name: "a", segmentBytes: 7 },
      { name: "b", polcy: "warmpath" },
    ];
    expect(problems({ models })).toEqual([
      expect.stringContaining("models[0].segmentBytes: "),
      expect.stringMatching(/models\[1\]: .*polcy/),
    ]);
    expect(problems({ limits: { attempts: 0 } })).toEqual([expect.stringContaining("limits.attempts: ")]);
    expect(problems({ clusters: undefined })).toEqual([expect.stringContaining("clusters: ")]);
  });

  it("take a policy by name, with parameters, or a blend with parameters by member", () => {
    const policyOf = (policy: NonNullable<SettingsFile["models"][number]["policy"]>) =>
      parseSettings({ ...file, models: [{ name: "m", policy }] }).models[0]?.policy;
    expect(policyOf("least-request")).toEqual({ name: "least-request", parameters: {} });
    expect(policyOf({ name: "prefix-cache", parameters: { deviations: 2 } })).toEqual({
      name: "prefix-cache",
      parameters: { deviations: 2 },
    });
    const blend = { name: "vtc-basic:2,least-request", parameters: { "vtc-basic": { windowS: 60 } } };
    expect(policyOf(blend)).toEqual(blend);
  });

  it.each([
    ["magic", 'models[0].policy.name: there is no policy "magic"; use warmpath, random, '],
    [{ name: "prefix-cache", parameters: { imbalance: -1 } }, "models[0].policy.parameters.imbalance: "],
    [
      { name: "prefix-cache", parameters: { k: 2 } },
      'models[0].policy.parameters: Unrecognized key: "k" for prefix-cache: it takes imbalance, deviations',
    ],
    [
      { name: "random", parameters: { k: 2 } },
      'models[0].policy.parameters: Unrecognized key: "k" for random: it takes none',
    ],
    ["random:1,least-request:1", "models[0].policy.name: random cannot be part of a blend"],
    ["least-request:x", 'models[0].policy.name: there is no policy "least-request:x"'],
    [
      { name: "vtc-basic,least-request", parameters: { "vtc-basic": { windowS: 0 } } },
      "models[0].policy.parameters.vtc-basic.windowS: ",
    ],
    [
      { name: "vtc-basic,least-request", parameters: { chwbl: {} } },
      "models[0].policy.parameters.chwbl: is no member of the blend",
    ],
  ])("refuse the policy %j", (policy, problem) => {
    expect(problems({ models: [{ name: "m", policy }] })).toEqual([expect.stringContaining(problem)]);
  });

  it("know the rules of queue and health by the router's names, and check their values", () => {
    const { queue, health } = routingRules({});
    const { holdWithoutPods: _onOrOff, ...queueShape } = queueSchema.shape;
    expect(Object.keys(queueShape).toSorted()).toEqual(Object.keys(queue).toSorted());
    expect(Object.keys(healthSchema.shape).toSorted()).toEqual(Object.keys(health).toSorted());
    expect(queueSchema.safeParse({ ...queue, holdWithoutPods: false }).success).toBe(true);
    expect(healthSchema.parse(health)).toEqual(health);
    const wrong = { name: "m", queue: { mostInFlight: 0 }, health: { failureShare: 2, ejectMs: 5 } };
    expect(problems({ models: [wrong] })).toEqual([
      expect.stringContaining("models[0].queue.mostInFlight: "),
      expect.stringContaining("models[0].health.failureShare: "),
      expect.stringMatching(/models\[0\]\.health: .*ejectMs/),
    ]);
  });

  it("know the rules of recorded decisions by the router's names, and check their values", () => {
    const { decisions } = routingRules({});
    expect(Object.keys(decisionsSchema.shape).toSorted()).toEqual(Object.keys(decisions).toSorted());
    expect(decisionsSchema.parse(decisions)).toEqual(decisions);
    expect(parseSettings({ ...file, models: [{ name: "m", decisions: { share: 0.01 } }] })).toMatchObject({
      models: [{ decisions: { share: 0.01 } }],
    });
    const wrong = { name: "m", decisions: { share: 1.5, keep: 0, mostBytes: 1e9 } };
    expect(problems({ models: [wrong] })).toEqual(
      ["share", "keep", "mostBytes"].map((name) => expect.stringContaining(`models[0].decisions.${name}: `)),
    );
  });

  it("give a key an ordinary priority and weight where they name none", () => {
    const key = { id: "k", sha256: "0".repeat(64) };
    expect(parseSettings({ ...file, keys: [key] }).keys[0]).toMatchObject({ priority: 0, weight: 1 });
    expect(problems({ keys: [{ ...key, priority: 0.5, weight: 0 }] })).toEqual([
      expect.stringContaining("keys[0].priority: "),
      expect.stringContaining("keys[0].weight: "),
    ]);
  });

  it("take names of environment variables for secrets, not secrets", () => {
    const clusters = [{ ...file.clusters[0], pushKeys: ["hunter2"] }];
    expect(problems({ clusters })).toEqual([expect.stringContaining("clusters[0].pushKeys[0]: ")]);
  });

  it("refuse a name that stands for two models", () => {
    expect(problems({ models: [{ name: "a", aliases: ["b"] }, { name: "b" }] })).toEqual([
      'models: name "b" is used twice',
    ]);
  });
});

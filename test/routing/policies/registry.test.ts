import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { POLICIES, policyNamed, policyNames } from "../../../src/routing/policies/registry.ts";
import type { Candidate, PolicyRequest } from "../../../src/routing/policy.ts";
import { newPolicyMemory } from "../../../src/routing/policy-memory.ts";
import { BLENDABLE, POLICY_PARAMETERS } from "../../../src/settings/policy-settings.ts";
import { candidate, context, named, place, request } from "./policy-fixtures.ts";

const FOLDER = new URL("../../../src/routing/policies/", import.meta.url);

const pace = {
  promptTokensPerS: 900,
  generationTokensPerS: 400,
  queueMs: 3,
  firstTokenMs: 80,
  decodeMs: 900,
  promptTokens: 600,
  generationTokens: 120,
};
const gauges = { running: 3, waiting: 1, kvUsage: 0.4, runningAdapters: ["sql"], waitingAdapters: [], mostAdapters: 4 };
const mixed: readonly Candidate[] = [
  candidate("a", { inFlight: 2, awaitingFirstToken: 1, backlogTokens: 4_000, matchedSegments: 9, matchedTokens: 900 }),
  candidate("b", { foreign: 3, capacityTokens: undefined, gauges, pace }),
  candidate("c", {
    inFlight: 9,
    promptTokensInFlight: 99_500,
    matchedSegments: 2,
    matchedTokens: 200,
    hostSegments: 1,
  }),
  candidate("d", { gauges: { ...gauges, kvUsage: 1, utilization: 0.2 }, maxModelLen: 500, busyShare: 0.5 }),
];
const asked: PolicyRequest = {
  ...request,
  adapter: "sql",
  session: "5e55",
  user: "ce11",
  opening: "09e4",
  firstSegment: 7,
  sloTtftMs: 200,
};

/** A memory that has seen some placements of every policy. */
function usedMemory() {
  const memory = newPolicyMemory();
  for (const { name } of POLICIES)
    for (let seed = 0; seed < 5; seed++) place(named(name), mixed, memory, { asked, seed });
  return memory;
}

describe.each(policyNames())("every policy: %s", (name) => {
  const policy = named(name);

  it("decides alike for equal arguments, memory and random source included, and changes neither", () => {
    const memory = usedMemory();
    const before = structuredClone(memory);
    const decision = policy.decide(asked, mixed, context(5, memory));
    expect(policy.decide(asked, mixed, context(5, before))).toEqual(decision);
    expect(memory).toEqual(before);
  });

  it("gives one finite row of terms a candidate", () => {
    const { chosen, terms } = policy.decide(asked, mixed, context(1, usedMemory()));
    expect(mixed[chosen]).toBeDefined();
    expect(terms.length).toBe(mixed.length * policy.columns.length);
    expect([...terms].every(Number.isFinite)).toBe(true);
    expect(new Set(policy.columns).size).toBe(policy.columns.length);
  });

  it("takes the only candidate, also for an empty prompt of nobody", () => {
    const empty = { model: "m", promptTokens: 0, segments: 0, choices: 1 };
    for (const only of mixed) {
      const { chosen, terms } = policy.decide(empty, [only], context());
      expect(chosen).toBe(0);
      expect([...terms].every(Number.isFinite)).toBe(true);
    }
  });

  it("keeps to the candidates when the pods it remembers are gone", () => {
    const memory = usedMemory();
    const others = ["x", "y"].map((id) => candidate(id));
    const { chosen } = policy.decide(asked, others, context(3, memory));
    expect(others[chosen]).toBeDefined();
  });

  it("remembers a bounded number of sessions and users", () => {
    const memory = newPolicyMemory();
    for (let i = 0; i < 70_000; i++) {
      const someone = { ...asked, session: `s${i}`, user: `u${i}`, model: `m${i}` };
      policy.placed?.(
        { request: someone, candidates: mixed, chosen: mixed[0] as Candidate, nowMs: i, retried: false },
        memory,
      );
    }
    const sizes = Object.values(memory).map((map) => map.size);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(65_536);
  });

  it("can be replayed from a copy of its memory", () => {
    const memory = newPolicyMemory();
    const copy = structuredClone(memory);
    const sequence = (kept: typeof memory) =>
      [1, 2, 3, 4, 5, 6].map((seed) => place(policy, mixed, kept, { asked, seed, nowMs: 1_000 * seed }));
    expect(sequence(copy)).toEqual(sequence(memory));
    expect(copy).toEqual(memory);
  });

  it("has its parameters in the settings, which accept its defaults", () => {
    const { defaults } = POLICIES.find((definition) => definition.name === name) ?? {};
    const schema = Object.entries(POLICY_PARAMETERS).find(([key]) => key === name)?.[1];
    expect(Object.keys(schema?.shape ?? {}).sort()).toEqual(Object.keys(defaults ?? {}).sort());
    expect(schema?.safeParse(defaults).success).toBe(true);
    expect(BLENDABLE.has(name)).toBe(policy.scorer !== undefined);
  });

  it("is described with its parameters in docs/policies.md", () => {
    const page = readFileSync(new URL("../../../docs/policies.md", import.meta.url), "utf8");
    const row = page.split("\n").find((line) => line.startsWith("| `") && line.split("|")[1]?.includes(`\`${name}\``));
    const { defaults } = POLICIES.find((definition) => definition.name === name) ?? {};
    for (const parameter of Object.keys(defaults ?? {})) expect(row).toContain(`\`${parameter}\``);
    expect(row).toBeDefined();
  });

  it("refuses a parameter it does not have and says which it has", () => {
    const made = policyNamed(name, { speed: 1 });
    const { defaults } = POLICIES.find((definition) => definition.name === name) ?? {};
    const takes = Object.keys(defaults ?? {}).join(", ") || "none";
    expect(made).toEqual({ ok: false, problem: `${name} has no parameter speed: it takes ${takes}` });
  });
});

describe("the clock, randomness and storage of policies", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("are what they are given: none is touched while they decide and remember", () => {
    const touched = (name: string) => () => {
      throw new Error(`a policy used ${name}`);
    };
    vi.spyOn(Date, "now").mockImplementation(touched("Date.now"));
    vi.spyOn(Math, "random").mockImplementation(touched("Math.random"));
    vi.spyOn(performance, "now").mockImplementation(touched("performance.now"));
    vi.spyOn(crypto, "getRandomValues").mockImplementation(touched("crypto"));
    vi.spyOn(crypto, "randomUUID").mockImplementation(touched("crypto"));
    for (const { name } of POLICIES) place(named(name), mixed, usedMemory(), { asked });
  });

  it.each(readdirSync(FOLDER).filter((file) => file.endsWith(".ts")))("%s names no global source of them", (file) => {
    const source = readFileSync(new URL(file, FOLDER), "utf8");
    expect(source).not.toMatch(
      /\b(Date|performance|crypto|Math\.random|globalThis|process|fetch|setTimeout|setInterval|caches|await|async)\b[.(]/,
    );
    const imports = [...source.matchAll(/from "([^"]+)"/g)].map(([, from]) => from ?? "");
    expect(imports.every((from) => from.startsWith("./") || from.startsWith("../"))).toBe(true);
    // Nothing outlives a call: module-level values are constants.
    expect(source).not.toMatch(/^(export )?(let|var) /m);
  });
});

describe("naming a policy", () => {
  it("either gives a policy or says what is wrong, whatever the name", () => {
    const part = fc.oneof(fc.constantFrom(...policyNames(), ":", ",", " ", "0", "7", "__proto__"), fc.string());
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), fc.dictionary(fc.string(), fc.jsonValue()), (parts, parameters) => {
        const made = policyNamed(parts.join(""), parameters);
        expect(made.ok ? made.policy.name : made.problem).toBeTypeOf("string");
      }),
    );
  });

  it("knows every name once", () => {
    expect(new Set(policyNames()).size).toBe(POLICIES.length);
    expect(Object.keys(POLICY_PARAMETERS).sort()).toEqual(policyNames().sort());
  });

  it.each([
    ["magic", {}, "there is no policy magic"],
    ["prefix-cache", { imbalance: "8" }, "the parameter imbalance of prefix-cache must be a number of 0 or more"],
    ["prefix-cache", { imbalance: -1 }, "the parameter imbalance of prefix-cache must be a number of 0 or more"],
    ["random:1,least-request:1", {}, "random cannot be part of a blend"],
    ["power-of-two,least-request", {}, "power-of-two cannot be part of a blend"],
    ["least-request:0", {}, "every weight of the blend is 0"],
    ["least-request:1.5", {}, '"least-request:1.5" is not name or name:weight'],
    ["least-request:1:2", {}, '"least-request:1:2" is not name or name:weight'],
    ["least-request:1000001", {}, '"least-request:1000001" is not name or name:weight'],
    ["least-request,", {}, '"" is not name or name:weight'],
    ["magic:1,least-request", {}, "there is no policy magic"],
    ["prefix-cache,least-request", { "vtc-basic": {} }, "the blend has no member vtc-basic to take parameters"],
    ["vtc-basic,least-request", { "vtc-basic": { x: 1 } }, "vtc-basic has no parameter x"],
  ])("refuses %s %j", (name, parameters, problem) => {
    expect(policyNamed(name, parameters)).toEqual({ ok: false, problem: expect.stringContaining(problem) });
  });
});

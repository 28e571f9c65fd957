import { describe, expect, it } from "vitest";
import { readDecisionLog } from "../../src/cli/recorded-log.ts";
import { largestChanges, replayLines, replayRow } from "../../src/cli/replay-report.ts";
import { replayLog } from "../../src/cli/replayed-log.ts";
import { replayedPolicies } from "../../src/cli/replayed-policy.ts";
import { policyNames } from "../../src/routing/policies/registry.ts";
import { NO_QUEUE, randomTraffic } from "../routing/random-traffic.ts";

function recordedLog(policy = "warmpath", parameters?: object): string {
  const rules = { ...NO_QUEUE, decisions: { share: 1, keep: 9_999, mostBytes: 1e9, hashes: true } };
  const { router } = randomTraffic({
    policy,
    ...(parameters && { policyParameters: JSON.stringify(parameters) }),
    rules,
  });
  return router.decisions
    .latest({ limit: 9_999 })
    .map((decision) => `${JSON.stringify(decision)}\n`)
    .join("");
}

const replayed = (log: string, ...policies: string[]) =>
  replayLog(readDecisionLog(log), policies.flatMap(replayedPolicies));
const LOG = recordedLog();

describe("a replayed log", () => {
  it.each([...policyNames(), "prefix-cache:2,least-request:1"])("agrees with %s where that recorded it", (policy) => {
    const [, own] = replayed(recordedLog(policy), policy);
    expect(own?.choices.length).toBeGreaterThan(100);
    expect(own && replayRow(own).changedShare).toBe(0);
  });

  it("agrees with a policy of the same parameters only", () => {
    const log = recordedLog("weighted", { session: 4, picker: "weighted-random" });
    const changed = replayed(log, 'weighted={"picker":"weighted-random","session":4}', "weighted").map(
      (each) => replayRow(each).changedShare,
    );
    expect(changed.slice(0, 2)).toEqual([0, 0]);
    expect(changed[2]).toBeGreaterThan(0.05);
  });

  it("predicts the choices of a policy that minds the cache to be faster than those at random", () => {
    const [recorded, least, random] = replayed(LOG, "least-request", "random").map(replayRow);
    expect(recorded?.meanTtftMs).toBeLessThan((random?.meanTtftMs ?? 0) / 2);
    expect(recorded?.matchedShare).toBeGreaterThan((least?.matchedShare ?? 1) * 2);
    expect(recorded).toMatchObject({ policy: "as recorded", changedShare: 0 });
    expect(random?.changedShare).toBeGreaterThan(0.5);
  });

  it("lets another policy remember what it chose itself", () => {
    const [, turns] = replayed(LOG, "round-robin");
    const chosen = turns?.choices.filter(({ decision }) => decision.request.model === "m" && !decision.retried) ?? [];
    const whole = chosen.filter(({ decision }) => decision.candidates.length === 5).slice(0, 10);
    const steps = whole.slice(1).map((choice, i) => (choice.chosen - (whole[i]?.chosen ?? 0) + 5) % 5);
    expect(steps.filter((step) => step === 1).length).toBeGreaterThan(6);
    const [, sticky] = replayed(LOG, "session-affinity");
    const podsOf = Map.groupBy(sticky?.choices ?? [], ({ decision }) => decision.request.session);
    podsOf.delete(undefined);
    const moves = [...podsOf.values()].map(
      (choices) => new Set(choices.map(({ decision, chosen }) => decision.candidates[chosen]?.id)).size,
    );
    expect(Math.min(...moves)).toBe(1);
  });

  it("shows the decisions that changed most first", () => {
    const changes = largestChanges(replayed(LOG, "random", "least-request"), 8);
    const differences = changes.map(({ ttftMs, recordedTtftMs }) => Math.abs(ttftMs - recordedTtftMs));
    expect(differences).toHaveLength(8);
    expect(differences).toEqual(differences.toSorted((a, b) => b - a));
    expect(differences[0]).toBeGreaterThan(100);
    expect(largestChanges(replayed(LOG, "warmpath"), 8)).toEqual([]);
  });

  it("is a table on a terminal", () => {
    const lines = replayLines(replayed(LOG, "warmpath", "prefix-cache:2,least-request:1"), 2);
    expect(lines[0]).toMatch(/^\d+ decisions in [\d.]+ s, by warmpath$/);
    expect(lines[1]).toMatch(/^measured TTFT of \d+ of them: mean \d+ ms, p90 \d+ ms$/);
    expect(lines.some((line) => /^warmpath +0\.0 % +\d/.test(line))).toBe(true);
    expect(lines.filter((line) => line.includes("run-1-"))).toHaveLength(2);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(120);
  });
});

describe("the policies of a replay", () => {
  it("are names, a blend, or one with parameters", () => {
    expect(replayedPolicies("random, warmpath").map(({ policy }) => policy.name)).toEqual(["random", "warmpath"]);
    expect(replayedPolicies("prefix-cache:2,least-request").map(({ policy }) => policy.name)).toEqual([
      "prefix-cache:2,least-request",
    ]);
    expect(replayedPolicies('vtc-basic={"windowS":60}')).toMatchObject([
      { label: 'vtc-basic={"windowS":60}', policy: { name: "vtc-basic" }, parameters: { windowS: 60 } },
    ]);
  });

  it("are all there are, where one is not", () => {
    expect(() => replayedPolicies("warmpath,best")).toThrow(
      /best: there is no policy best\. There are warmpath, random/,
    );
    expect(() => replayedPolicies("random:1,prefix-cache:1")).toThrow(/random cannot be part of a blend/);
    expect(() => replayedPolicies('vtc-basic={"windows":60}')).toThrow(/no parameter windows: it takes windowS/);
    expect(() => replayedPolicies("vtc-basic={")).toThrow(/no JSON object/);
  });
});

describe("a decision log", () => {
  it("is read whatever newer fields it has, and without blank lines", () => {
    const [line = ""] = LOG.split("\n");
    const newer = JSON.stringify({ ...JSON.parse(line), weather: "fine" });
    expect(readDecisionLog(`\n${newer}\n\n`)).toEqual(readDecisionLog(line));
  });

  it("is refused by the number of its first bad line", () => {
    const [line = ""] = LOG.split("\n");
    const changed = (change: object) => `${line}\n${JSON.stringify({ ...JSON.parse(line), ...change })}`;
    expect(() => readDecisionLog(`${line}\n{`)).toThrow("line 2: not JSON");
    expect(() => readDecisionLog(changed({ v: 2 }))).toThrow("line 2: v: is another version");
    expect(() => readDecisionLog(changed({ chosen: 99 }))).toThrow("line 2: chosen: is no candidate");
    expect(() => readDecisionLog(changed({ rates: {} }))).toThrow("line 2: rates.prefillTokensPerMs");
  });
});

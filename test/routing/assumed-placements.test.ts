import { describe, expect, it } from "vitest";
import { AssumedPlacements } from "../../src/routing/assumed-placements.ts";
import { prefillWork } from "../../src/routing/outlook/prefill-cost.ts";
import type { Pod, PodFacts } from "../../src/routing/pod.ts";
import { PodRegistry } from "../../src/routing/pod-registry.ts";

const rates = { tokenMs: 0.05, pairMs: 1e-6 };

function podWithWork(): Pod {
  const registry = new PodRegistry();
  const facts: PodFacts = {
    id: "a",
    cluster: "c",
    epoch: "1",
    url: "http://a",
    state: "ready",
    servedModels: ["m"],
    index: { mode: "exact" },
  };
  registry.report("s", [{ facts }], 0);
  const pod = registry.pods[0] as Pod;
  pod.outlook.sent("lease", prefillWork(0.1, 0), 0.1, 0);
  pod.backlogTokens = 0.1;
  return pod;
}

describe("assumed placements", () => {
  it("count as work that waits, beside what was really sent", () => {
    const pod = podWithWork();
    const before = pod.outlook.awaitingMs(rates);
    const assumed = new AssumedPlacements();
    assumed.assume(pod, { promptTokens: 3_000, uncachedTokens: 1_000 });
    assumed.assume(pod, { promptTokens: 2_000, uncachedTokens: 2_000 });
    expect(pod).toMatchObject({ inFlight: 2, awaitingFirstToken: 2, promptTokensInFlight: 5_000 });
    expect(pod.backlogTokens).toBeCloseTo(3_000.1, 6);
    // 1,000 new tokens with a mean context of 2,500, and 2,000 with one of 1,000.
    expect(pod.outlook.awaitingMs(rates) - before).toBeCloseTo(0.05 * 3_000 + 1e-6 * (2_500_000 + 2_000_000), 6);
  });

  it("are retracted to the last digit", () => {
    const pod = podWithWork();
    const before = { ...pod, awaitingMs: pod.outlook.awaitingMs(rates) };
    const assumed = new AssumedPlacements();
    for (let i = 0; i < 10; i++) assumed.assume(pod, { promptTokens: 1 / 3, uncachedTokens: 0.7 });
    assumed.retract();
    expect({ ...pod, awaitingMs: pod.outlook.awaitingMs(rates) }).toEqual(before);
  });
});

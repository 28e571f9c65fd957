import { describe, expect, it } from "vitest";
import type { PodFacts } from "../../src/routing/pod.ts";
import { seededRandom } from "../../src/routing/random.ts";
import { Router } from "../../src/routing/router.ts";
import { routingRules } from "../../src/routing/routing-rules.ts";

/** Pods of 10 prefill tokens a millisecond (the prior), and requests of 1,000 tokens on them, in turn. */
function fleet(...names: string[]) {
  const router = new Router({ instance: "r", random: seededRandom(1), nowMs: 0 });
  router.configure(routingRules({ queue: { mostInFlight: 4 } }), 0);
  const pods = names.map((id): { facts: PodFacts } => ({
    facts: {
      id,
      cluster: "local",
      epoch: "1",
      url: `http://${id}`,
      state: "ready",
      servedModels: ["m"],
      index: { mode: "approximate" },
    },
  }));
  router.report({ source: "s", instance: "i", sequence: 1, pods, claims: [] }, 0);
  const send = (nowMs: number, excludedPods: string[] = []) => {
    const segments = new Uint32Array();
    const request = { model: "m", policy: "round-robin", segments, segmentBytes: 256, promptBytes: 4_000, choices: 1 };
    const placed = router.route({ ...request, promptTokens: 1_000, excludedPods }, nowMs);
    if (!placed.ok) throw new Error(placed.reason);
    const { leaseId, pod } = placed;
    return { leaseId, pod: pod.id, overdue: (atMs: number) => overdue(leaseId, pod.id, atMs) };
  };
  const overdue = (leaseId: string, podId: string, nowMs: number) =>
    router.isOverdue(leaseId, { model: "m", excludedPods: [podId] }, nowMs);
  return { router, send };
}

describe("a request that waits for its first token", () => {
  it("is overdue after eight times what was predicted, and not once the token is there", () => {
    const { router, send } = fleet("a", "b");
    const predictedMs = 1_000 / router.inspect().rates.prefillTokensPerMs;
    const { leaseId, overdue } = send(0);
    expect([overdue(8 * predictedMs - 1), overdue(8 * predictedMs + 1)]).toEqual([false, true]);
    router.firstToken(leaseId, 5_000, 8 * predictedMs + 2);
    expect(overdue(8 * predictedMs + 3)).toBe(false);
  });

  it("is not while the pod gets on with what was sent before it, and is when nothing more comes of that", () => {
    const { router, send } = fleet("a", "b");
    const before = [send(0, ["b"]), send(0, ["b"])];
    const late = send(0, ["b"]);
    router.firstToken(before[0]?.leaseId ?? "", 60_000, 60_000);
    expect([late.overdue(64_000), late.overdue(66_000)]).toEqual([false, true]);
  });

  it("is when requests sent after it are served and it is not", () => {
    const { router, send } = fleet("a", "b");
    const lost = send(0, ["b"]);
    const next = send(1, ["b"]);
    router.firstToken(next.leaseId, 60_000, 60_000);
    expect(lost.overdue(60_001)).toBe(true);
  });

  it("is not where no other pod has room, or the retry budget is spent", () => {
    const alone = fleet("a").send(0);
    expect(alone.overdue(60_000)).toBe(false);
    const { router, send } = fleet("a", "b");
    const lost = send(0, ["b"]);
    for (let i = 0; i < 4; i++) router.firstToken(send(i, ["a"]).leaseId, 10, i);
    expect(lost.overdue(60_000), "b has four requests, as many as it may").toBe(false);
    router.configure(routingRules({ health: { retryShare: 0, retriesPerSecond: 0 } }), 60_000);
    expect(lost.overdue(60_000)).toBe(false);
  });

  it("is not known to a router that does not hold its lease", () => {
    expect(fleet("a", "b").router.isOverdue("r-9", { model: "m", excludedPods: [] }, 60_000)).toBe(false);
  });
});

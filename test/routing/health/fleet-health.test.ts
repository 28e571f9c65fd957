import { describe, expect, it } from "vitest";
import { podOutcomeOf } from "../../../src/routing/health/fleet-health.ts";
import type { LeaseOutcome, Placement } from "../../../src/routing/placement.ts";
import { seededRandom } from "../../../src/routing/random.ts";
import { Router } from "../../../src/routing/router.ts";
import { type HealthRules, routingRules } from "../../../src/routing/routing-rules.ts";

const FAILED: LeaseOutcome = { kind: "failed", podOutcome: "connect_failed" };
const ANSWERED: LeaseOutcome = { kind: "completed" };

function fleet(names: readonly string[], health: Partial<HealthRules> = {}) {
  const router = new Router({ instance: "r", random: seededRandom(1), nowMs: 0 });
  router.configure(routingRules({ health: { consecutiveFailures: 3, ejectionMs: 10_000, ...health } }), 0);
  let sequence = 0;
  const report = (epoch: string, nowMs: number) => {
    const pods = names.map((id) => ({
      facts: {
        id,
        cluster: "local",
        epoch,
        url: `http://${id}:8000`,
        state: "ready" as const,
        servedModels: ["m"],
        index: { mode: "approximate" as const },
      },
    }));
    router.report({ source: "s", instance: "i", sequence: ++sequence, pods, claims: [] }, nowMs);
  };
  report("1", 0);
  const route = (nowMs: number): Placement => {
    const request = { model: "m", policy: "round-robin", segments: new Uint32Array(), segmentBytes: 256 };
    const result = router.route({ ...request, promptBytes: 40, choices: 1 }, nowMs);
    if (!result.ok) throw new Error(result.reason);
    return result;
  };
  return {
    router,
    report,
    route,
    /** The pods that so many requests go to, each ended in its way. */
    send: (count: number, nowMs: number, end: (podId: string) => LeaseOutcome) =>
      Array.from({ length: count }, () => {
        const { leaseId, pod } = route(nowMs);
        router.finish(leaseId, end(pod.id), nowMs + 1);
        return pod.id;
      }),
    health: (nowMs: number) => {
      router.sweep(nowMs);
      return Object.fromEntries(router.inspect().pods.map(({ id, health }) => [id, health.kind]));
    },
  };
}

const aFails = (podId: string) => (podId === "a" ? FAILED : ANSWERED);

describe("a pod whose requests fail", () => {
  it("is left out, tried by one request when its time is over, and back after an answer", () => {
    const { send, health, route, router } = fleet(["a", "b"]);
    send(6, 100, aFails);
    expect(health(200)).toEqual({ a: "ejected", b: "healthy" });
    expect(send(10, 300, aFails)).not.toContain("a");
    expect(health(10_200)).toEqual({ a: "half_open", b: "healthy" });
    const tries = Array.from({ length: 6 }, () => route(10_200));
    const probes = tries.filter(({ pod }) => pod.id === "a");
    expect(probes).toHaveLength(1);
    router.firstToken(probes[0]?.leaseId ?? "", 50, 10_300);
    expect(health(10_301)).toEqual({ a: "healthy", b: "healthy" });
  });

  it("is free to be tried again when the probe's client leaves, or its holder falls silent", () => {
    const { send, health, route, router } = fleet(["a", "b"]);
    send(6, 100, aFails);
    const probe = () => Array.from({ length: 2 }, () => route(10_200)).find(({ pod }) => pod.id === "a");
    router.finish(probe()?.leaseId ?? "", { kind: "client_left" }, 10_201);
    expect(health(10_202).a).toBe("half_open");
    expect(probe()).toBeDefined();
    expect(probe()).toBeUndefined();
    router.sweep(26_000);
    expect(router.inspect().pods[0]?.health).toEqual({ kind: "half_open", probe: undefined });
  });

  it("is healthy as soon as it is another process", () => {
    const { send, health, report } = fleet(["a", "b"]);
    send(6, 100, aFails);
    report("2", 200);
    expect(health(201)).toEqual({ a: "healthy", b: "healthy" });
  });

  it("is still asked where no other pod is left", () => {
    const { send, router } = fleet(["a", "b"]);
    send(6, 100, aFails);
    const pods = router.inspect().pods.filter(({ id }) => id === "a");
    router.report({ source: "s", instance: "i", sequence: 9, pods: pods.map((facts) => ({ facts })), claims: [] }, 200);
    expect(send(2, 300, aFails)).toEqual(["a", "a"]);
  });

  it("keeps its place under new rules that still allow it", () => {
    const { send, health, router } = fleet(["a", "b"]);
    send(6, 100, aFails);
    router.configure(routingRules({ health: { consecutiveFailures: 9 } }), 200);
    expect(health(201).a).toBe("ejected");
    router.configure(routingRules({ health: { mostEjectedShare: 0 } }), 300);
    expect(health(301).a).toBe("healthy");
  });
});

describe("the retry budget", () => {
  it("refuses moves when it is spent, closes the lease all the same, and is seen in the view", () => {
    const { route, router } = fleet(["a", "b", "c"], { retryShare: 0, retriesPerSecond: 0.2 });
    const moved = Array.from({ length: 3 }, () => router.move(route(100).leaseId, 101, "stalled"));
    expect(moved.map((result) => (result.ok ? "moved" : result.reason))).toEqual(["moved", "moved", "retry_budget"]);
    expect(router.inspect()).toMatchObject({ leases: 2, retries: { remaining: 0, refused: 1 } });
  });

  it("is asked before a slow pod is left, and so are the other pods", () => {
    const { route, router } = fleet(["a", "b"], { retryShare: 0, retriesPerSecond: 0.1 });
    const mayMove = (...excludedPods: string[]) => router.mayMove({ model: "m", excludedPods }, 100);
    expect([mayMove("a"), mayMove("a", "b")]).toEqual([true, false]);
    expect(router.inspect().retries).toEqual({ remaining: 1, refused: 0 });
    router.move(route(100).leaseId, 100, "stalled");
    expect(mayMove("a")).toBe(false);
  });

  it("is not charged for a request that has nowhere to go", () => {
    const { route, router } = fleet(["a"], { retryShare: 0, retriesPerSecond: 0.1 });
    for (let i = 0; i < 3; i++) {
      expect(router.move(route(100).leaseId, 101, "stalled")).toMatchObject({ reason: "no_endpoints" });
    }
    expect(router.inspect().retries).toEqual({ remaining: 1, refused: 0 });
  });
});

describe("what the end of a request says of its pod", () => {
  it.each([
    ["completed", true, "answered"],
    ["client_left", false, "client_left"],
    ["client_left", true, "answered"],
    ["failed", false, "server_error"],
    ["failed", true, "truncated"],
  ] as const)("%s with the first token seen: %s is inferred to be %s", (kind, firstTokenSeen, outcome) => {
    expect(podOutcomeOf({ kind }, firstTokenSeen, false)).toBe(outcome);
  });

  it("is what the holder tells, where it does", () => {
    expect(podOutcomeOf({ kind: "failed", podOutcome: "rejected" }, true, true)).toBe("rejected");
  });

  it("is nothing where the request had little time left after the queue, unless the pod broke", () => {
    expect(podOutcomeOf({ kind: "failed" }, false, true)).toBe("client_left");
    expect(podOutcomeOf({ kind: "failed", podOutcome: "stalled" }, false, true)).toBe("client_left");
    expect(podOutcomeOf({ kind: "failed", podOutcome: "connect_failed" }, false, true)).toBe("connect_failed");
    expect(podOutcomeOf({ kind: "failed" }, true, true)).toBe("truncated");
  });
});

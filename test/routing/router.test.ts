import { describe, expect, it } from "vitest";
import type { Placement, RouteRequest } from "../../src/routing/placement.ts";
import type { PodFacts } from "../../src/routing/pod.ts";
import type { ReportedPush } from "../../src/routing/pod-registry.ts";
import { seededRandom } from "../../src/routing/random.ts";
import { Router } from "../../src/routing/router.ts";

const facts = (name: string, change: Partial<PodFacts> = {}): PodFacts => ({
  id: `local/default/${name}/8000`,
  cluster: "local",
  epoch: "1",
  url: `http://${name}:8000`,
  state: "ready",
  servedModels: ["m"],
  capacityTokens: 100_000,
  index: { mode: "approximate" },
  ...change,
});

const cleared = (epoch: string) => ({ podId: "local/default/a/8000", epoch, change: { kind: "clear" as const } });

let sequence = 0;
function push(pods: readonly PodFacts[], change: Partial<ReportedPush> = {}): ReportedPush {
  sequence++;
  return {
    source: "local/node",
    instance: "one",
    sequence,
    pods: pods.map((facts) => ({ facts })),
    claims: [],
    ...change,
  };
}

function routerWith(...names: string[]): Router {
  const router = new Router({ instance: "r", random: seededRandom(1), nowMs: 0 });
  router.report(push(names.map((name) => facts(name))), 0);
  return router;
}

const prompt = (seed: number, segments: number): Uint32Array =>
  Uint32Array.from({ length: segments * 2 }, (_, i) => Math.imul(seed * 1_000 + i, 2_654_435_761) >>> 0);

function request(segments: Uint32Array, change: Partial<RouteRequest> = {}): RouteRequest {
  return {
    model: "m",
    policy: "warmpath",
    segments,
    segmentBytes: 256,
    promptBytes: segments.length * 128,
    choices: 1,
    ...change,
  };
}

function placed(result: ReturnType<Router["route"]>): Placement {
  if (!result.ok) throw new Error(`refused: ${result.reason}`);
  return result;
}

describe("router", () => {
  it("sends a prompt's continuation to the pod that has seen its beginning", () => {
    const router = routerWith("a", "b", "c");
    const first = placed(router.route(request(prompt(1, 40)), 10));
    router.firstToken(first.leaseId, 50, 60);
    router.finish(first.leaseId, { kind: "completed" }, 100);
    const longer = new Uint32Array(120);
    longer.set(prompt(1, 40));
    longer.set(prompt(2, 20), 80);
    const second = placed(router.route(request(longer), 200));
    expect(second.pod.id).toBe(first.pod.id);
    expect(second.matchedTokens).toBe(40 * 64 + 32);
  });

  it("spreads simultaneous requests: each decision counts the ones before it", () => {
    const router = routerWith("a", "b", "c");
    const pods = [1, 2, 3].map((seed) => placed(router.route(request(prompt(seed, 40)), 10)).pod.id);
    expect(new Set(pods).size).toBe(3);
  });

  it("takes a claim back when the request never reached its first token", () => {
    const router = routerWith("a");
    const { leaseId } = placed(router.route(request(prompt(1, 40)), 10));
    router.finish(leaseId, { kind: "client_left" }, 20);
    expect(router.inspect()).toMatchObject({ leases: 0, speculativeClaims: 0 });
  });

  it("keeps claims that another request shares when one of them fails", () => {
    const router = routerWith("a");
    const first = placed(router.route(request(prompt(1, 40)), 10));
    placed(router.route(request(prompt(1, 40)), 11));
    router.finish(first.leaseId, { kind: "failed" }, 20);
    expect(router.inspect().speculativeClaims).toBe(40);
  });

  it("moves a request to pods it has not tried, then refuses", () => {
    const router = routerWith("a", "b");
    const { leaseId, pod } = placed(router.route(request(prompt(1, 10)), 10));
    const moved = placed(router.move(leaseId, 20));
    expect(moved.leaseId).toBe(leaseId);
    expect(moved.pod.id).not.toBe(pod.id);
    expect(router.inspect().leases).toBe(1);
    expect(
      router
        .inspect()
        .pods.map(({ inFlight }) => inFlight)
        .sort(),
    ).toEqual([0, 1]);
    expect(router.move(leaseId, 30)).toMatchObject({ ok: false, reason: "no_endpoints" });
    expect(router.inspect().leases).toBe(0);
  });

  it("refuses an unknown policy and an unserved model without moving a count", () => {
    const router = routerWith("a");
    const before = router.inspect();
    expect(router.route(request(prompt(1, 4), { policy: "magic" }), 10)).toMatchObject({
      ok: false,
      reason: "unknown_policy",
      known: expect.arrayContaining(["warmpath", "prefix-cache"]),
    });
    expect(router.route(request(prompt(1, 4), { model: "other" }), 10)).toMatchObject({ reason: "no_endpoints" });
    expect({ ...router.inspect(), leasesOpened: 0 }).toEqual({ ...before, leasesOpened: 0 });
  });

  it("routes to draining or unready pods no more", () => {
    const router = routerWith("a", "b");
    router.report(push([facts("a", { state: "draining" }), facts("b", { state: "unready" })]), 10);
    expect(router.route(request(prompt(1, 4)), 11)).toMatchObject({ ok: false, reason: "no_endpoints", podsKnown: 2 });
  });

  it("prefers pods heard of lately, but routes to stale ones if there are no others", () => {
    const router = routerWith("a");
    router.report(push([facts("b")], { source: "local/other" }), 40_000);
    for (let i = 0; i < 5; i++) expect(placed(router.route(request(prompt(i, 4)), 40_001)).pod.id).toContain("/b/");
    expect(placed(router.route(request(prompt(9, 4)), 90_000)).ok).toBe(true);
  });

  it("forgets a pod's claims when its epoch changes or its cache is cleared", () => {
    const router = routerWith("a");
    const done = (seed: number) => {
      const { leaseId } = placed(router.route(request(prompt(seed, 8)), 10));
      router.finish(leaseId, { kind: "completed" }, 11);
    };
    done(1);
    expect(router.inspect().speculativeClaims).toBe(8);
    router.report(push([facts("a", { epoch: "2" })]), 20);
    expect(router.inspect().speculativeClaims).toBe(0);
    done(2);
    router.report(push([facts("a", { epoch: "2" })], { claims: [cleared("2")] }), 30);
    expect(router.inspect().speculativeClaims).toBe(0);
  });

  it("does not let one collector clear or remove another's pods", () => {
    const router = routerWith("a");
    const { leaseId } = placed(router.route(request(prompt(1, 8)), 10));
    router.finish(leaseId, { kind: "completed" }, 11);
    router.report(push([], { source: "local/other", claims: [cleared("1")] }), 20);
    expect(router.inspect()).toMatchObject({ speculativeClaims: 8, pods: [{ id: "local/default/a/8000" }] });
  });

  it("keeps a vanished pod until its leases are closed", () => {
    const router = routerWith("a", "b");
    const { leaseId, pod } = placed(router.route(request(prompt(1, 8)), 10));
    const rest = [facts("a"), facts("b")].filter(({ id }) => id !== pod.id);
    router.report(push(rest), 20);
    expect(router.inspect().pods).toHaveLength(2);
    router.finish(leaseId, { kind: "completed" }, 30);
    router.report(push(rest), 40);
    expect(router.inspect().pods).toHaveLength(1);
  });

  it("lets a lease fall when its holder is silent for 15 s, and not before", () => {
    const router = routerWith("a");
    const silent = placed(router.route(request(prompt(1, 8)), 0));
    const alive = placed(router.route(request(prompt(2, 8)), 0));
    router.renew(alive.leaseId, 14_000);
    router.sweep(15_000);
    expect(router.leases).toBe(2);
    router.sweep(15_001);
    expect(router.leases).toBe(1);
    expect(router.renew(silent.leaseId, 15_002)).toBe(false);
    expect(router.inspect().leasesFallen).toBe(1);
  });

  it("never holds more claims for a pod than its cache has room for", () => {
    const router = new Router({ instance: "r", random: seededRandom(1), nowMs: 0 });
    router.report(push([facts("a", { capacityTokens: 6_400 })]), 0);
    for (let seed = 0; seed < 50; seed++) {
      const { leaseId } = placed(router.route(request(prompt(seed, 20)), seed));
      router.finish(leaseId, { kind: "completed" }, seed);
    }
    expect(router.inspect().speculativeClaims).toBe(90);
  });

  it("is pessimistic about a pod that reports no gauges", () => {
    const router = new Router({ instance: "r", random: seededRandom(1), nowMs: 0 });
    const gauges = { running: 6, waiting: 0, ageMs: 0 };
    const pods = [
      { facts: facts("busy"), gauges },
      { facts: facts("silent") },
      { facts: facts("calm"), gauges: { ...gauges, running: 0 } },
    ];
    router.report({ ...push([]), pods }, 30_000);
    for (let i = 0; i < 5; i++) {
      const { pod, leaseId } = placed(router.route(request(prompt(i, 4), { policy: "least-request" }), 30_001));
      expect(pod.id).toContain("/calm/");
      router.finish(leaseId, { kind: "completed" }, 30_002);
    }
  });

  it("is as pessimistic about a pod whose gauges are older than 10 s", () => {
    const router = new Router({ instance: "r", random: seededRandom(1), nowMs: 0 });
    const pods = [
      { facts: facts("busy"), gauges: { running: 6, waiting: 0, kvUsage: 0.5, ageMs: 0 } },
      { facts: facts("stale"), gauges: { running: 0, waiting: 0, kvUsage: 0.1, ageMs: 9_000 } },
    ];
    router.report({ ...push([]), pods }, 30_000);
    const chosen = (policy: string, nowMs: number) => {
      const { pod, leaseId } = placed(router.route(request(prompt(1, 4), { policy }), nowMs));
      router.finish(leaseId, { kind: "failed" }, nowMs);
      return pod.id.split("/")[2];
    };
    expect(chosen("least-kv-cache", 30_999)).toBe("stale");
    expect(chosen("least-request", 30_999)).toBe("stale");
    expect(chosen("least-kv-cache", 31_001)).toBe("busy");
    const { record } = placed(router.route(request(prompt(1, 4), { policy: "least-request", explain: true }), 31_001));
    expect(record?.terms.map(([requests]) => requests)).toEqual([6, 6]);
  });

  it("tells an engine's other requests from its own by its leases when the engine was read, however many came since", () => {
    const router = new Router({ instance: "r", random: seededRandom(1), nowMs: 0 });
    const gauges = { running: 2, waiting: 0, ageMs: 100 };
    router.report({ ...push([]), pods: [{ facts: facts("a"), gauges }] }, 30_000);
    const ask = (nowMs: number) =>
      placed(router.route(request(prompt(1, 4), { policy: "least-request", explain: true }), nowMs));
    for (let nowMs = 30_000; nowMs < 39_000; nowMs += 60) {
      const { leaseId, record } = ask(nowMs);
      expect(record?.terms[0]?.[0]).toBe(2);
      router.finish(leaseId, { kind: "completed" }, nowMs + 55);
    }
  });

  it("explains a decision with one row of terms a candidate, if it is asked to", () => {
    const router = routerWith("a", "b");
    const { record } = placed(router.route(request(prompt(1, 4), { explain: true }), 10));
    expect(record).toMatchObject({ policy: "warmpath", promptTokens: 256, matchedTokens: 0 });
    expect(record?.candidates).toEqual(["local/default/a/8000", "local/default/b/8000"]);
    expect(record?.terms.map((row) => row.length)).toEqual([record?.columns.length, record?.columns.length]);
    expect(placed(router.route(request(prompt(1, 4)), 10)).record).toBeUndefined();
  });
});

describe("a router's policies", () => {
  it.each([1, 4, 16, 64])("of %i pods: cache-aware brings a prompt back to its first pod while balanced", (count) => {
    const router = routerWith(...Array.from({ length: count }, (_, i) => `p${i}`));
    const ask = (seed: number) => placed(router.route(request(prompt(seed, 20), { policy: "cache-aware" }), 10)).pod.id;
    const homes = [1, 2, 3, 4, 5].map(ask);
    expect(new Set(homes).size).toBe(Math.min(count, 5));
    for (let round = 0; round < 3; round++) expect([1, 2, 3, 4, 5].map(ask)).toEqual(homes);
  });

  it("take their parameters as JSON text", () => {
    const router = routerWith("a");
    const decided = (policyParameters?: string) =>
      placed(router.route(request(prompt(1, 4), { policy: "weighted", policyParameters, explain: true }), 10)).record
        ?.columns;
    expect(decided()).toEqual(["score", "prefix", "queue", "kv"]);
    expect(decided('{"queue":0,"session":1}')).toEqual(["score", "prefix", "kv", "session"]);
  });

  it("are refused with what is wrong and the names there are", () => {
    const refused = routerWith("a").route(request(prompt(1, 4), { policy: "prefix-cache:x" }), 10);
    expect(refused).toMatchObject({
      reason: "unknown_policy",
      problem: expect.stringContaining("name:weight"),
      known: expect.arrayContaining(["kv-cost"]),
    });
  });

  it("keep a memory over requests: sessions, turns", () => {
    const router = routerWith("a", "b", "c");
    const by = (policy: string, session?: string) => {
      const { pod, leaseId } = placed(router.route(request(prompt(1, 4), { policy, session }), 10));
      router.finish(leaseId, { kind: "completed" }, 11);
      return pod.id;
    };
    expect(new Set(["x", "x", "x"].map((session) => by("session-affinity", session))).size).toBe(1);
    expect(new Set([1, 2, 3].map(() => by("round-robin"))).size).toBe(3);
  });

  it("charge a user what its requests came to, and nothing for a try that moved on", () => {
    const router = routerWith("a", "b");
    const asked = { policy: "vtc-basic", user: "u", promptTokens: 50_000 };
    const { leaseId } = placed(router.route(request(prompt(1, 4), asked), 10));
    placed(router.move(leaseId, 20));
    router.finish(leaseId, { kind: "completed", promptTokens: 100, completionTokens: 10 }, 30);
    const other = placed(router.route(request(prompt(2, 4), { ...asked, user: "v", promptTokens: 100 }), 40));
    router.finish(other.leaseId, { kind: "completed", promptTokens: 100, completionTokens: 10 }, 50);
    // Both were served 120 tokens, far below one bucket: both belong to the first pod.
    for (const user of ["u", "v"]) {
      const { pod, leaseId: again } = placed(router.route(request(prompt(3, 4), { ...asked, user }), 60));
      router.finish(again, { kind: "completed", promptTokens: 0, completionTokens: 0 }, 70);
      expect(pod.id).toContain("/a/");
    }
  });

  it("see how long this router's own requests took on each pod", () => {
    const router = routerWith("a", "b");
    for (let i = 0; i < 4; i++) {
      const { leaseId, pod } = placed(router.route(request(prompt(i, 4), { policy: "round-robin" }), 1_000 * i));
      const waitMs = pod.id.includes("/a/") ? 500 : 20;
      router.firstToken(leaseId, waitMs, 1_000 * i + waitMs);
      router.finish(leaseId, { kind: "completed" }, 1_000 * i + waitMs + 100);
    }
    const { pod, record } = placed(
      router.route(request(prompt(9, 4), { policy: "least-latency", explain: true }), 9_000),
    );
    expect(pod.id).toContain("/b/");
    expect(record?.terms).toEqual([
      [600, 1],
      [120, 1],
    ]);
  });

  it("see what an engine's totals say of the last minute", () => {
    const router = new Router({ instance: "r", random: seededRandom(1), nowMs: 0 });
    const report = (tokens: readonly [number, number], nowMs: number) =>
      router.report(
        {
          ...push([]),
          pods: ["a", "b"].map((name, i) => ({
            facts: facts(name),
            gauges: { promptTokens: 0, generationTokens: tokens[i] ?? 0, ageMs: 0 },
          })),
        },
        nowMs,
      );
    report([0, 0], 0);
    report([5_000, 1_000], 10_000);
    const { pod, record } = placed(
      router.route(request(prompt(1, 4), { policy: "throughput", explain: true }), 10_001),
    );
    expect(pod.id).toContain("/b/");
    expect(record?.terms.map(([rate]) => Math.round(rate ?? 0))).toEqual([500, 100]);
  });
});

describe("a restarted router", () => {
  it("knows pods and leases of its checkpoint and closes each lease once, adopted or not", () => {
    const before = routerWith("a", "b");
    const kept = placed(before.route(request(prompt(1, 8)), 1_000));
    placed(before.route(request(prompt(2, 8)), 1_000));
    const late = placed(before.route(request(prompt(3, 8)), 1_500));
    const snapshot = before.snapshot(1_200);

    const after = new Router({ instance: "r2", random: seededRandom(2), nowMs: 2_000 });
    after.restore({ ...snapshot, leases: snapshot.leases.slice(0, 2) }, 2_000);
    expect(after.leases).toBe(2);
    const held = (placement: Placement) => ({
      leaseId: placement.leaseId,
      podId: placement.pod.id,
      epoch: "1",
      ageMs: 1_000,
      firstTokenSeen: true,
      promptTokens: 512,
      uncachedTokens: 512,
    });
    expect(after.adopt(held(kept), 2_100)).toBe(true);
    expect(after.adopt(held(kept), 2_200)).toBe(true);
    expect(after.adopt(held(late), 2_300)).toBe(true);
    expect(after.leases).toBe(3);
    expect(after.adopt({ ...held(kept), leaseId: "x", epoch: "0" }, 2_300)).toBe(false);

    after.finish(kept.leaseId, { kind: "completed" }, 3_000);
    after.finish(kept.leaseId, { kind: "completed" }, 3_001);
    after.sweep(20_000);
    expect(after.leases).toBe(0);
    expect(after.inspect().pods.map(({ inFlight, backlogTokens }) => [inFlight, backlogTokens])).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  it("sends new requests where no adopted one waits for its prefill, and forgets that with its first token", () => {
    const after = routerWith("a", "b");
    const [a, b] = after.inspect().pods.map(({ id }) => id);
    const adopted = { epoch: "1", ageMs: 500, promptTokens: 50_000, uncachedTokens: 50_000 };
    after.adopt({ ...adopted, leaseId: "old-1", podId: a as string, firstTokenSeen: false }, 1_000);
    after.adopt({ ...adopted, leaseId: "old-2", podId: b as string, firstTokenSeen: true }, 1_000);
    const backlogs = (nowMs: number) => {
      const { leaseId, pod, record } = placed(after.route(request(prompt(1, 4), { explain: true }), nowMs));
      const at = record?.columns.indexOf("backlogMs") ?? -1;
      after.finish(leaseId, { kind: "client_left" }, nowMs);
      return { chosen: pod.id, backlogMs: record?.terms.map((row) => row[at] ?? 0) ?? [] };
    };
    expect(backlogs(1_001).chosen).toBe(b);
    expect(backlogs(1_001).backlogMs[0]).toBeGreaterThan(500);
    after.firstToken("old-1", 2_000, 1_002);
    expect(backlogs(1_003).backlogMs).toEqual([0, 0]);
    for (const leaseId of ["old-1", "old-2"]) after.finish(leaseId, { kind: "completed" }, 1_004);
    expect(after.leases).toBe(0);
  });

  it("has what the one before it learned", () => {
    const before = routerWith("a");
    for (let i = 0; i < 50; i++) {
      const nowMs = 60_000 * i;
      before.report(push([facts("a")]), nowMs);
      const { leaseId } = placed(before.route(request(prompt(i % 5, 40 + i), { origin: "AMS" }), nowMs));
      before.firstToken(leaseId, 80 + i, nowMs + 100);
      const usage = { promptTokens: 2_560, cachedTokens: 0, completionTokens: 40 };
      before.finish(leaseId, { kind: "completed", ...usage }, nowMs + 200);
    }
    const after = new Router({ instance: "r2", random: seededRandom(2), nowMs: 3_000_000 });
    expect(after.inspect().learned).not.toEqual(before.inspect().learned);
    after.restore(JSON.parse(JSON.stringify(before.snapshot(3_000_000))), 3_000_000);
    expect(after.inspect().learned).toEqual(before.inspect().learned);
    expect(after.snapshot(3_000_000).outlook).toEqual(before.snapshot(3_000_000).outlook);
  });

  it("refuses the pushes that the one before it took", () => {
    const before = routerWith("a");
    const taken = push([facts("a")]);
    before.report(taken, 10);
    const after = new Router({ instance: "r2", random: seededRandom(2), nowMs: 20 });
    after.restore(before.snapshot(15), 20);
    expect(after.report(taken, 30)).toBe("replayed");
    expect(after.report({ ...taken, sequence: taken.sequence + 1 }, 30)).toBe("accepted");
  });
});

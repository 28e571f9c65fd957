import { describe, expect, it } from "vitest";
import type { Placement, RouteRefusal, RouteRequest } from "../../src/routing/placement.ts";
import type { EngineGauges, PodFacts } from "../../src/routing/pod.ts";
import { OrderedHeap } from "../../src/routing/queue/ordered-heap.ts";
import { seededRandom } from "../../src/routing/random.ts";
import { Router } from "../../src/routing/router.ts";
import { type GivenRules, routingRules } from "../../src/routing/routing-rules.ts";

const facts = (name: string, change: Partial<PodFacts> = {}): PodFacts => ({
  id: name,
  cluster: "local",
  epoch: "1",
  url: `http://${name}:8000`,
  state: "ready",
  servedModels: ["m"],
  capacityTokens: 100_000,
  index: { mode: "approximate" },
  ...change,
});

type Gauges = EngineGauges & { readonly ageMs: number };

/** A router that notes what becomes of held requests. */
function fleet(names: readonly string[], rules: GivenRules = {}) {
  const released = new Map<string, Placement | RouteRefusal>();
  const router = new Router({
    instance: "r",
    random: seededRandom(1),
    nowMs: 0,
    released: (heldId, result) => released.set(heldId, result),
  });
  router.configure(routingRules(rules), 0);
  let sequence = 0;
  const report = (pods: readonly PodFacts[], nowMs: number, gauges?: Gauges) =>
    router.report(
      {
        source: "s",
        instance: "i",
        sequence: ++sequence,
        pods: pods.map((each) => ({ facts: each, gauges })),
        claims: [],
      },
      nowMs,
    );
  if (names.length > 0)
    report(
      names.map((name) => facts(name)),
      0,
    );
  const ask = (nowMs: number, change: Partial<RouteRequest> = {}) =>
    router.route(
      {
        model: "m",
        policy: "least-request",
        segments: new Uint32Array(),
        segmentBytes: 256,
        promptBytes: 400,
        choices: 1,
        key: "k",
        ...change,
      },
      nowMs,
    );
  const placed = (nowMs: number, change: Partial<RouteRequest> = {}): Placement => {
    const result = ask(nowMs, change);
    if (!result.ok) throw new Error(`not placed: ${result.reason}`);
    return result;
  };
  const held = (nowMs: number, change: Partial<RouteRequest> = {}): string => {
    const result = ask(nowMs, change);
    if (result.ok || result.reason !== "held") throw new Error(`not held: ${JSON.stringify(result)}`);
    return result.heldId;
  };
  return { router, released, report, ask, placed, held };
}

const one = { queue: { mostInFlight: 1 } };

describe("a request is placed at once", () => {
  it("while a pod is under its limits, and then on a pod that is", () => {
    const { placed, held, router } = fleet(["a", "b"], one);
    const pods = [placed(10), placed(11)].map(({ pod }) => pod.id);
    expect(new Set(pods).size).toBe(2);
    held(12);
    expect(router.inspect().queue).toMatchObject({ waiting: 1, accepted: 1 });
  });

  it("by the defaults however much a pod with room elsewhere in the fleet has to prefill", () => {
    const { placed } = fleet(["a", "b"]);
    const policy = "warmpath";
    const first = placed(10, { policy, promptTokens: 40_000, session: "x" });
    for (let i = 0; i < 4; i++) expect(placed(11 + i, { policy, promptTokens: 10 }).pod.id).not.toBe(first.pod.id);
  });

  it("by the defaults up to 256 requests on a pod, and by none that fleets without backlog meet", () => {
    const { router, placed, held } = fleet(["a"]);
    for (let i = 0; i < 256; i++) {
      router.firstToken(placed(i, { promptTokens: 100, mostOutputTokens: 10 }).leaseId, 1, i);
    }
    held(300);
  });

  it("without rules, whatever there is on the pods", () => {
    const router = new Router({ instance: "r", random: seededRandom(1), nowMs: 0 });
    router.report({ source: "s", instance: "i", sequence: 1, pods: [{ facts: facts("a") }], claims: [] }, 0);
    const request = { model: "m", policy: "random", segments: new Uint32Array(), segmentBytes: 256, choices: 1 };
    for (let i = 0; i < 400; i++) expect(router.route({ ...request, promptBytes: 9_000 }, i).ok).toBe(true);
  });
});

describe("a pod is closed", () => {
  it("by its prefill backlog until the first token, or until it must be nearly done", () => {
    const { router, placed, held, released, ask } = fleet(["a"]);
    // 20 tokens a millisecond are believed: 500 ms.
    const first = placed(0, { promptTokens: 10_000 });
    const second = held(10);
    router.sweep(300);
    expect(released.get(second)).toBeUndefined();
    router.firstToken(first.leaseId, 310, 310);
    expect(released.get(second)).toMatchObject({ ok: true, leaseId: second });
    router.firstToken(second, 1, 311);
    const slow = placed(320, { promptTokens: 10_000 });
    expect(slow.ok).toBe(true);
    const third = held(321);
    router.sweep(321 + 700);
    expect(released.get(third)).toMatchObject({ ok: true });
    expect(ask(2_000).ok).toBe(true);
  });

  it("by its KV memory, unless its engine says that prompts share theirs", () => {
    const { router, report, held, placed } = fleet(["a"]);
    for (let i = 0; i < 9; i++) router.firstToken(placed(i, { promptTokens: 10_000 }).leaseId, 5, i);
    const waiting = held(20, { promptTokens: 10_000 });
    expect(waiting).toBeDefined();
    router.abandon(waiting);
    report([facts("a")], 30, { running: 9, waiting: 0, kvUsage: 0.3, ageMs: 0 });
    for (let i = 0; i < 5; i++) router.firstToken(placed(40 + i, { promptTokens: 10_000 }).leaseId, 5, 40 + i);
  });

  it("by requests of others as well, and a fleet full of them has no pace to promise times by", () => {
    const { report, ask, held } = fleet(["a"], { queue: { mostInFlight: 4 } });
    report([facts("a")], 30_000, { running: 4, waiting: 0, ageMs: 0 });
    held(30_001);
    for (let i = 0; i < 50; i++) {
      const result = ask(30_002 + i, { deadlineMs: 1, key: `k${i % 3}` });
      expect(result.ok).toBe(false);
    }
  });
});

describe("a held request", () => {
  it("is placed when a lease ends or its holder falls silent, in turn", () => {
    const { router, placed, held, released } = fleet(["a"], one);
    const first = placed(0);
    const [second, third] = [held(1), held(2)];
    router.finish(first.leaseId, { kind: "completed" }, 10);
    expect([...released.keys()]).toEqual([second]);
    router.sweep(16_000);
    expect([...released.keys()]).toEqual([second, third]);
    expect(router.inspect()).toMatchObject({ leases: 1, leasesFallen: 1, queue: { waiting: 0, placed: 2 } });
  });

  it("is placed by the policy of the moment it leaves, on the pod that is free then", () => {
    const { router, report, placed, held, released } = fleet(["a", "b"], one);
    const [first, second] = [placed(0), placed(1)];
    const waiting = held(2);
    router.finish(second.leaseId, { kind: "client_left" }, 5);
    expect(released.get(waiting)).toMatchObject({ ok: true, pod: { id: second.pod.id } });
    const next = held(6);
    report([facts("a"), facts("b"), facts("c")], 7);
    expect(released.get(next)).toMatchObject({ ok: true, pod: { id: "c" } });
    router.finish(first.leaseId, { kind: "completed" }, 8);
  });

  it("goes by priority, then by the share of its key", () => {
    const { router, placed, held, released } = fleet(["a"], one);
    let running = placed(0).leaseId;
    const heavy = Array.from({ length: 4 }, (_, i) => held(1 + i, { key: "heavy" }));
    const light = held(10, { key: "light" });
    const urgent = held(11, { key: "heavy", priority: 1 });
    for (let i = 0; i < 3; i++) {
      router.finish(running, { kind: "completed" }, 20 + i);
      running = [...released.keys()].at(-1) ?? "";
    }
    const order = [...released.keys()];
    expect(order[0]).toBe(urgent);
    expect(order.slice(1).toSorted()).toEqual([heavy[0], light].toSorted());
  });

  it("leaves without a trace when its client does", () => {
    const { router, placed, held, released } = fleet(["a"], one);
    const first = placed(0);
    const gone = held(1);
    router.abandon(gone);
    router.abandon(gone);
    router.finish(first.leaseId, { kind: "completed" }, 10);
    expect(released.size).toBe(0);
    expect(router.inspect()).toMatchObject({ leases: 0, queue: { waiting: 0, removed: 1 } });
  });

  it("is refused at its deadline, which leaves time for its prefill", () => {
    const { router, placed, held, released } = fleet(["a"], one);
    placed(0);
    const waiting = held(0, { deadlineMs: 1_000, promptTokens: 2_000 });
    const prefillMs = 1_000 - (router.nextDeadlineAtMs ?? 0);
    expect(prefillMs).toBeGreaterThan(90);
    router.sweep(1_000 - prefillMs);
    expect(released.get(waiting)).toMatchObject({ ok: false, reason: "waited_too_long" });
    expect(router.nextDeadlineAtMs).toBeUndefined();
  });

  it("is refused the earlier before its deadline the more first tokens vary", () => {
    const untilRefusedMs = (waitsMs: readonly number[]): number => {
      const { router, placed, held } = fleet(["a"], one);
      let nowMs = 0;
      for (const waitMs of waitsMs) {
        const { leaseId } = placed(nowMs);
        router.firstToken(leaseId, waitMs, nowMs + waitMs);
        nowMs += 1_000;
        router.finish(leaseId, { kind: "completed" }, nowMs);
      }
      placed(nowMs);
      held(nowMs, { deadlineMs: 10_000 });
      return (router.nextDeadlineAtMs ?? 0) - nowMs;
    };
    const steady = untilRefusedMs(Array(50).fill(400));
    const varying = untilRefusedMs([...Array(50).keys()].map((i) => (i % 2 === 0 ? 200 : 600)));
    expect(steady).toBeGreaterThan(9_500);
    // Deviations are 200 ms.
    expect(steady - varying).toBeGreaterThan(700);
    expect(steady - varying).toBeLessThan(1_000);
  });

  it("is not taken in where it would wait in vain, and neither is one of an unknown policy", () => {
    const { placed, held, ask } = fleet(["a"], one);
    placed(0);
    held(1, { priority: 1, promptTokens: 90_000 });
    expect(ask(2, { deadlineMs: 1_000 })).toMatchObject({ reason: "deadline_unmeetable" });
    expect(ask(2, { sloTtftMs: 1_000 })).toMatchObject({ reason: "slo_unmeetable" });
    expect(ask(2, { policy: "magic" })).toMatchObject({ reason: "unknown_policy" });
  });
});

describe("a request that pods have failed before", () => {
  it("goes to another one at once, however busy that is, and is refused where there is none", () => {
    const { placed, held, released, ask } = fleet(["a", "b"], one);
    placed(0);
    placed(0);
    held(1);
    expect(placed(2, { excludedPods: ["b"] }).pod.id).toBe("a");
    expect(released.size).toBe(0);
    expect(ask(3, { excludedPods: ["a", "b"] })).toMatchObject({ reason: "no_endpoints" });
  });
});

describe("a model without pods", () => {
  it("has its requests wait for the first one, each for its own model name", () => {
    const { router, report, held, released } = fleet([]);
    const [base, adapter] = [held(0), held(1, { model: "lora" })];
    expect(router.inspect().queue).toMatchObject({ waiting: 0, withoutPods: 2 });
    report([facts("a")], 100);
    expect([...released.keys()]).toEqual([base]);
    report([facts("a", { servedModels: ["m", "lora"] })], 200);
    expect(released.get(adapter)).toMatchObject({ ok: true });
  });

  it("puts them into the queue where the first pod has no room for all", () => {
    const { router, report, held, released } = fleet([], one);
    const [first, second] = [held(0), held(1)];
    report([facts("a")], 100);
    expect([...released.keys()]).toEqual([first]);
    expect(router.inspect().queue).toMatchObject({ waiting: 1, withoutPods: 0 });
    router.finish(first, { kind: "completed" }, 200);
    expect([...released.keys()]).toEqual([first, second]);
  });

  it("refuses them after the time set, or at once", () => {
    const { router, held, released } = fleet([], { queue: { holdWithoutPodsMs: 500 } });
    const waiting = held(0);
    router.sweep(500);
    expect(released.get(waiting)).toEqual({ ok: false, reason: "no_endpoints", podsKnown: 0 });
    expect(fleet([], { queue: { holdWithoutPodsMs: 0 } }).ask(0)).toMatchObject({ reason: "no_endpoints" });
    expect(fleet([], { queue: { enabled: false } }).ask(0)).toMatchObject({ reason: "no_endpoints" });
  });
});

describe("rules", () => {
  it("that change hold from then on, also for those that wait", () => {
    const { router, placed, held, released } = fleet(["a"], one);
    placed(0);
    const waiting = held(1);
    router.configure(routingRules({ queue: { mostInFlight: 2, mostWaiting: 1 } }), 2);
    router.sweep(3);
    expect(released.get(waiting)).toMatchObject({ ok: true });
  });
});

describe("a restarted router", () => {
  it("does not take the time until it knows that pods are free for the time that work takes", () => {
    const { router, report, held, released } = fleet(["a"], { queue: { mostInFlight: 4 } });
    const believed = router.inspect().queue.tokensPerMs;
    for (let round = 1; round <= 20; round++) {
      const atMs = 900 * round;
      report([facts("a")], atMs, { running: 4, waiting: 0, ageMs: 0 });
      const waiting = Array.from({ length: 4 }, (_, i) => held(atMs + i + 1));
      report([facts("a")], atMs + 100, { running: 0, waiting: 0, ageMs: 0 });
      for (const heldId of waiting) {
        const placed = released.get(heldId);
        if (!placed?.ok) throw new Error(`${heldId} has no pod`);
        router.finish(placed.leaseId, { kind: "completed" }, atMs + 700);
      }
    }
    expect(router.inspect().queue).toMatchObject({ placed: 80, tokensPerMs: believed });
  });

  it("keeps ejections and the pace of its queue", () => {
    const { router, placed } = fleet(["a", "b"], { health: { consecutiveFailures: 1 } });
    const failed = placed(0);
    router.finish(failed.leaseId, { kind: "failed" }, 5);
    const snapshot = router.snapshot(10);
    const after = new Router({ instance: "r2", random: seededRandom(2), nowMs: 20 });
    after.restore(JSON.parse(JSON.stringify(snapshot)), 20);
    expect(after.inspect().pods.find(({ id }) => id === failed.pod.id)?.health.kind).toBe("ejected");
    expect(after.snapshot(20).drain).toEqual(snapshot.drain);
  });
});

/** What a client of the simulated fleet met. */
type Met = { readonly key: string; readonly attempt: number; readonly outcome: string; readonly waitMs: number };

/** Pods that take `SLOTS` requests each for `SERVICE_MS`, at twice what they can serve; the refused come back once. */
function overload(seed: number): readonly Met[] {
  const [slots, serviceMs, untilMs, deadlineMs] = [4, 500, 30_000, 3_000];
  const random = seededRandom(seed);
  const met: Met[] = [];
  const events = new OrderedHeap<{ atMs: number; order: number; run: (nowMs: number) => void }>(
    (a, b) => a.atMs - b.atMs || a.order - b.order,
  );
  let order = 0;
  const at = (atMs: number, run: (nowMs: number) => void) => events.add({ atMs, order: order++, run });
  const waiting = new Map<string, (result: Placement | RouteRefusal, nowMs: number) => void>();
  let clockMs = 0;
  const router = new Router({
    instance: "r",
    random,
    nowMs: 0,
    released: (heldId, result) => waiting.get(heldId)?.(result, clockMs),
  });
  router.configure(routingRules({ queue: { mostInFlight: slots } }), 0);
  const pods = ["a", "b"].map((name) => ({ facts: facts(name) }));
  router.report({ source: "s", instance: "i", sequence: 1, pods, claims: [] }, 0);

  const send = (key: string, name: number, attempt: number, sentMs: number): void => {
    const onResult = (result: Placement | RouteRefusal, nowMs: number): void => {
      met.push({ key, attempt, outcome: result.ok ? "placed" : result.reason, waitMs: nowMs - sentMs });
      if (result.ok) {
        at(nowMs + 30, (atMs) => router.firstToken(result.leaseId, 30, atMs));
        const ended = { kind: "completed", promptTokens: 100, completionTokens: 64 } as const;
        at(nowMs + serviceMs * (0.7 + 0.6 * random()), (atMs) => router.finish(result.leaseId, ended, atMs));
      } else if ("retryAfterMs" in result && attempt === 1) {
        at(nowMs + 1_000 * Math.ceil(result.retryAfterMs / 1_000) + 50, (atMs) => send(key, name, 2, atMs));
      }
    };
    const request = { model: "m", policy: "least-request", segments: new Uint32Array([name, name]), segmentBytes: 256 };
    const asked = { ...request, promptBytes: 400, choices: 1, key, deadlineMs, mostOutputTokens: 64 };
    const result = router.route(asked, sentMs);
    if (!result.ok && result.reason === "held") waiting.set(result.heldId, onResult);
    else onResult(result, sentMs);
  };
  let name = 0;
  const arrive = (key: string, perSecond: number, fromMs: number): void => {
    const nextMs = fromMs - (1_000 * Math.log(1 - random())) / perSecond;
    if (nextMs > untilMs) return;
    at(nextMs, (atMs) => {
      send(key, ++name, 1, atMs);
      arrive(key, perSecond, atMs);
    });
  };
  arrive("heavy", 32, 0);
  arrive("light", 1, 0);
  for (let tickMs = 50; tickMs < 2 * untilMs; tickMs += 50) at(tickMs, (atMs) => router.sweep(atMs));
  for (let event = events.first; event !== undefined; event = events.first) {
    events.remove(event);
    clockMs = event.atMs;
    event.run(clockMs);
  }
  expect(router.inspect()).toMatchObject({ leases: 0, queue: { waiting: 0 } });
  return met;
}

describe.each([1, 2, 3])("a fleet asked for twice what it can serve (seed %i)", (seed) => {
  const met = overload(seed);
  const share = (of: readonly Met[], outcome: string) => of.filter((one) => one.outcome === outcome).length / of.length;

  it("lets nobody wait past the deadline, and few until it", () => {
    expect(Math.max(...met.map(({ waitMs }) => waitMs))).toBeLessThanOrEqual(3_050);
    expect(share(met, "waited_too_long")).toBeLessThan(0.01);
  });

  it("keeps its pods busy", () => {
    expect(met.filter(({ outcome }) => outcome === "placed").length / (16 * 30)).toBeGreaterThan(0.93);
  });

  it("mostly serves those that come back when told", () => {
    const retries = met.filter(({ attempt }) => attempt === 2);
    expect(retries.length).toBeGreaterThan(50);
    expect(share(retries, "placed")).toBeGreaterThan(0.95);
  });

  it("does not let the heavy key starve the light one", () => {
    const light = met.filter(({ key }) => key === "light");
    expect(share(light, "placed")).toBe(1);
    expect(Math.max(...light.map(({ waitMs }) => waitMs))).toBeLessThan(1_000);
  });
});

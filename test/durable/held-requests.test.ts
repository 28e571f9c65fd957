import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import type { HeldReply, RouteCall, RouteReply } from "../../durable/routing-rpc.ts";
import type { ClusterName } from "../../src/protocol/identifiers.ts";
import type { PodReport } from "../../src/protocol/push-message.ts";
import type { GivenRules } from "../../src/routing/routing-rules.ts";

type Opened = Extract<RouteReply, { ok: true }> & Disposable;
type Held = HeldReply & Disposable;

/** A router with these pods, one of its own for each test. */
async function routerWith(...names: string[]) {
  const stub = env.MODEL_ROUTER.getByName(`m-${crypto.randomUUID()}`);
  let sequence = 0;
  const report = (podNames: readonly string[]) => {
    const pods = podNames.map(
      (name): PodReport => ({
        name: `default/${name}/8000`,
        epoch: "1",
        url: `http://${name}:8000`,
        engine: "vllm",
        state: "ready",
        servedModels: ["m"],
        capacityTokens: 100_000,
      }),
    );
    const push = { schema: 1 as const, model: "m", source: "node", instance: "i", claims: [], pods };
    return stub.ingest({ cluster: "local" as ClusterName, push: { ...push, sequence: ++sequence } });
  };
  if (names.length > 0) await report(names);
  const ask = async (change: Partial<RouteCall> = {}, rules: GivenRules = { queue: { mostInFlight: 1 } }) => {
    const call: RouteCall = {
      model: "m",
      policy: "least-request",
      segments: new Uint32Array([1, 2, 3, 4]),
      segmentBytes: 256,
      promptBytes: 600,
      choices: 1,
      explain: false,
      rules: JSON.stringify(rules),
      key: "k",
      ...change,
    };
    return (await stub.route(call)) as unknown as (RouteReply & Disposable) | Held;
  };
  return {
    stub,
    report,
    ask,
    placed: async (...asked: Parameters<typeof ask>): Promise<Opened> => {
      const reply = await ask(...asked);
      if (!reply.ok) throw new Error(`refused: ${reply.reason}`);
      return reply as Opened;
    },
    held: async (...asked: Parameters<typeof ask>): Promise<Held> => {
      const reply = await ask(...asked);
      if (reply.ok || reply.reason !== "held") throw new Error("it was not held");
      return reply;
    },
    waiting: async () => {
      const { queue } = await stub.inspect();
      return queue.waiting + queue.withoutPods;
    },
    leases: async () => (await stub.inspect()).leases,
  };
}

const placeOf = async (held: Held) => (await held.place.placed()) as unknown as RouteReply & Partial<Disposable>;

describe("a request that finds every pod busy", () => {
  it("is held, and placed when a lease ends", async () => {
    const router = await routerWith("a");
    using first = await router.placed();
    using held = await router.held();
    expect(await router.waiting()).toBe(1);
    const place = placeOf(held);
    await first.lease.finish({ kind: "completed" });
    const placed = await place;
    if (!placed.ok) throw new Error(placed.reason);
    expect(placed.pod.id).toBe("local/default/a/8000");
    expect([await router.waiting(), await router.leases()]).toEqual([0, 1]);
    await placed.lease.finish({ kind: "completed" });
    expect(await router.leases()).toBe(0);
  });

  it("is placed when the lease of another holder is disposed, and its own lease is closed by disposal", async () => {
    const router = await routerWith("a");
    const first = await router.placed();
    using held = await router.held();
    const place = placeOf(held);
    first[Symbol.dispose]();
    const placed = await place;
    expect(placed.ok).toBe(true);
    placed[Symbol.dispose]?.();
    await vi.waitFor(async () => expect(await router.leases()).toBe(0));
  });

  it("leaves the queue at once when its holder is gone, and takes no place", async () => {
    const router = await routerWith("a");
    using first = await router.placed();
    const gone = await router.held();
    const place = placeOf(gone);
    expect(await router.waiting()).toBe(1);
    gone[Symbol.dispose]();
    await vi.waitFor(async () => expect(await router.waiting()).toBe(0));
    expect((await place).ok).toBe(false);
    await first.lease.finish({ kind: "completed" });
    expect(await router.leases()).toBe(0);
  });

  it("gives its place back when its holder is gone before it heard of it", async () => {
    const router = await routerWith("a");
    using first = await router.placed();
    const gone = await router.held();
    await first.lease.finish({ kind: "completed" });
    expect(await router.leases()).toBe(1);
    using next = await router.held();
    const place = placeOf(next);
    gone[Symbol.dispose]();
    expect((await place).ok).toBe(true);
    expect(await router.leases()).toBe(1);
  });

  it("is refused when its time is over, by the alarm", async () => {
    const router = await routerWith("a");
    using _first = await router.placed();
    using held = await router.held({ deadlineMs: 300 });
    const place = placeOf(held);
    await vi.waitFor(async () => {
      await runDurableObjectAlarm(router.stub);
      expect(await router.waiting()).toBe(0);
    });
    expect(await place).toMatchObject({ ok: false, reason: "waited_too_long", retryAfterMs: expect.any(Number) });
    expect((await router.stub.inspect()).queue.expired).toBe(1);
  });

  it("is refused at once with a time to come back where it would wait in vain", async () => {
    const router = await routerWith("a");
    using _first = await router.placed();
    using _ahead = await router.held({ priority: 1, promptTokens: 90_000 });
    using refused = await router.ask({ deadlineMs: 1_000 });
    if (refused.ok || !("retryAfterMs" in refused)) throw new Error("it was not refused by the queue");
    expect(refused.reason).toBe("deadline_unmeetable");
    expect(refused.retryAfterMs).toBeGreaterThan(1_000);
  });

  it("is placed all the same where the queue is off, or the caller is too old to wait", async () => {
    const router = await routerWith("a");
    using _first = await router.placed();
    using _second = await router.placed({}, { queue: { enabled: false, mostInFlight: 1 } });
    using _third = await router.placed({ rules: undefined });
    expect(await router.leases()).toBe(3);
  });
});

describe("a request for a model without pods", () => {
  it("waits for the first one to come up", async () => {
    const router = await routerWith();
    using held = await router.held();
    const place = placeOf(held);
    await router.report(["a"]);
    const placed = await place;
    expect(placed.ok).toBe(true);
    placed[Symbol.dispose]?.();
  });

  it("is refused when none came in the time allowed, or at once where none is", async () => {
    const router = await routerWith();
    const rules = { queue: { holdWithoutPodsMs: 200 } };
    using held = await router.held({}, rules);
    const place = placeOf(held);
    await vi.waitFor(async () => {
      await runDurableObjectAlarm(router.stub);
      expect(await router.waiting()).toBe(0);
    });
    expect(await place).toEqual({ ok: false, reason: "no_endpoints", podsKnown: 0 });
    using refused = await router.ask({}, { queue: { holdWithoutPodsMs: 0 } });
    expect(refused).toEqual({ ok: false, reason: "no_endpoints", podsKnown: 0 });
  });
});

describe("a failing pod", () => {
  const rules = { queue: { mostInFlight: 100 }, health: { consecutiveFailures: 2, ejectionMs: 60_000 } };

  it("is left out, seen in the view, and back with another epoch only", async () => {
    const router = await routerWith("a", "b");
    const failed: string[] = [];
    while (failed.filter((id) => id.includes("/a/")).length < 2) {
      using opened = await router.placed({}, rules);
      const bad = opened.pod.id.includes("/a/");
      failed.push(opened.pod.id);
      await opened.lease.finish(bad ? { kind: "failed", podOutcome: "connect_failed" } : { kind: "completed" });
    }
    const { pods } = await router.stub.inspect();
    expect(pods.map(({ health }) => health.kind)).toEqual(["ejected", "healthy"]);
    for (let i = 0; i < 8; i++) {
      using opened = await router.placed({}, rules);
      expect(opened.pod.id).toContain("/b/");
    }
  });

  it("is moved away from until the retry budget is spent", async () => {
    const router = await routerWith("a", "b", "c");
    const tight = { ...rules, health: { ...rules.health, retryShare: 0, retriesPerSecond: 0.1 } };
    using first = await router.placed({}, tight);
    expect((await first.lease.move({ podOutcome: "stalled" })).ok).toBe(true);
    expect(await first.lease.move({})).toEqual({ ok: false, reason: "retry_budget" });
    expect(await router.stub.inspect()).toMatchObject({ leases: 0, retries: { remaining: 0, refused: 1 } });
  });
});

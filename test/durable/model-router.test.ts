import { abortAllDurableObjects, evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import type { AdoptReply, RouteReply } from "../../durable/routing-rpc.ts";
import type { ClusterName } from "../../src/protocol/identifiers.ts";
import type { PodReport, PushMessage } from "../../src/protocol/push-message.ts";

const cluster = "local" as ClusterName;

/** A router of its own for each test: objects are shared within a file. */
function newRouter(): string {
  return `m-${crypto.randomUUID()}`;
}

function stubOf(name: string) {
  return env.MODEL_ROUTER.getByName(name);
}

function pod(name: string, change: Partial<PodReport> = {}): PodReport {
  return {
    name: `default/${name}/8000`,
    epoch: "1",
    url: `http://${name}:8000`,
    engine: "vllm",
    state: "ready",
    servedModels: ["m"],
    capacityTokens: 100_000,
    ...change,
  };
}

function push(sequence: number, pods: readonly PodReport[]): { cluster: ClusterName; push: PushMessage } {
  const message = { schema: 1 as const, model: "m", source: "node", instance: "instance-1", sequence, claims: [] };
  return { cluster, push: { ...message, pods: [...pods] } };
}

const call = {
  model: "m",
  policy: "least-request",
  segments: new Uint32Array([1, 2, 3, 4]),
  segmentBytes: 256,
  promptBytes: 600,
  choices: 1,
  explain: false,
};

type Opened = Extract<RouteReply, { ok: true }> & Disposable;

async function routed(name: string): Promise<Opened> {
  const reply = (await stubOf(name).route(call)) as unknown as RouteReply;
  if (!reply.ok) throw new Error(`refused: ${reply.reason}`);
  return reply as Opened;
}

async function leases(name: string): Promise<number> {
  return (await stubOf(name).inspect()).leases;
}

describe("ModelRouter", () => {
  it("closes a lease when its holder disposes of it, finished or not, exactly once", async () => {
    const name = newRouter();
    await stubOf(name).ingest(push(1, [pod("a")]));
    const kept = await routed(name);
    const dropped = await routed(name);
    const finished = await routed(name);
    expect(await leases(name)).toBe(3);
    dropped[Symbol.dispose]();
    await vi.waitFor(async () => expect(await leases(name)).toBe(2));
    await finished.lease.finish({ kind: "completed" });
    finished[Symbol.dispose]();
    await vi.waitFor(async () => expect(await leases(name)).toBe(1));
    expect(await kept.lease.renew()).toBe(true);
    kept[Symbol.dispose]();
    await vi.waitFor(async () => expect(await leases(name)).toBe(0));
  });

  it("moves a request to the other pod under the same lease", async () => {
    const name = newRouter();
    await stubOf(name).ingest(push(1, [pod("a"), pod("b")]));
    using opened = await routed(name);
    const moved = await opened.lease.move();
    if (!moved.ok) throw new Error(moved.reason);
    expect(moved.leaseId).toBe(opened.leaseId);
    expect(moved.pod.id).not.toBe(opened.pod.id);
    expect(await opened.lease.move()).toMatchObject({ ok: false, reason: "no_endpoints" });
    expect(await leases(name)).toBe(0);
  });

  it("places a request past the pods that a caller excludes, in the place of its earlier lease", async () => {
    const name = newRouter();
    await stubOf(name).ingest(push(1, [pod("a"), pod("b")]));
    using first = await routed(name);
    const excludedPods = [first.pod.id];
    const insteadOf = { leaseId: first.leaseId, podOutcome: "stalled" as const };
    const reply = (await stubOf(name).route({ ...call, excludedPods, insteadOf })) as unknown as RouteReply;
    if (!reply.ok) throw new Error(reply.reason);
    expect(reply.pod.id).not.toBe(first.pod.id);
    expect(await leases(name)).toBe(1);
    const both = [first.pod.id, reply.pod.id];
    expect(await stubOf(name).route({ ...call, excludedPods: both })).toMatchObject({ reason: "no_endpoints" });
    expect(await leases(name)).toBe(1);
    (reply as Opened)[Symbol.dispose]();
    await vi.waitFor(async () => expect(await leases(name)).toBe(0));
  });

  it("tells whether a request could move, without moving it", async () => {
    const name = newRouter();
    await stubOf(name).ingest(push(1, [pod("a"), pod("b", { state: "draining" }), pod("c", { servedModels: ["x"] })]));
    using opened = await routed(name);
    expect(await opened.lease.mayMove({ model: "m", excludedPods: [] })).toBe(true);
    expect(await opened.lease.mayMove({ model: "m", excludedPods: [opened.pod.id] })).toBe(false);
    expect(await leases(name)).toBe(1);
  });

  it("lists the pods that take requests to a caller that wants them", async () => {
    const name = newRouter();
    await stubOf(name).ingest(push(1, [pod("a"), pod("b", { state: "draining" })]));
    using opened = await routed(name);
    expect(opened).not.toHaveProperty("pods");
    const reply = (await stubOf(name).route({ ...call, podsWanted: true })) as unknown as Opened;
    expect(reply.pods).toMatchObject([{ id: "local/default/a/8000", url: "http://a:8000", servedModels: ["m"] }]);
    reply[Symbol.dispose]();
  });

  it("lists no pod that is left out for failing", async () => {
    const name = newRouter();
    const rules = JSON.stringify({ health: { consecutiveFailures: 1 } });
    await stubOf(name).ingest(push(1, [pod("a"), pod("b")]));
    const first = (await stubOf(name).route({ ...call, rules })) as unknown as Opened;
    await first.lease.finish({ kind: "failed", podOutcome: "connect_failed" });
    first[Symbol.dispose]();
    using next = (await stubOf(name).route({ ...call, rules, podsWanted: true })) as unknown as Opened;
    expect(next.pods?.map(({ id }) => id)).toEqual([next.pod.id]);
    expect(next.pod.id).not.toBe(first.pod.id);
  });

  it("comes back from eviction with pods, leases and feed positions of its checkpoint", async () => {
    const name = newRouter();
    await stubOf(name).ingest(push(7, [pod("a"), pod("b")]));
    await runInDurableObject(stubOf(name), async (instance) => {
      // Opened inside, so that no stub of this test keeps the object alive.
      instance.route(call);
      instance.route(call);
    });
    expect(await runDurableObjectAlarm(stubOf(name))).toBe(true);
    await evictDurableObject(stubOf(name));
    const after = await stubOf(name).inspect();
    expect(after.pods.map(({ id, inFlight }) => [id, inFlight])).toEqual([
      ["local/default/a/8000", 1],
      ["local/default/b/8000", 1],
    ]);
    expect(await stubOf(name).ingest(push(7, [pod("a")]))).toEqual({ ok: false, reason: "push_replayed" });
    expect(await stubOf(name).ingest(push(8, [pod("a")]))).toMatchObject({ ok: true, reply: { acknowledged: 8 } });
  });

  it("after an abort has its holder's lease adopted once and closed once", async () => {
    const name = newRouter();
    await stubOf(name).ingest(push(1, [pod("a")]));
    await runDurableObjectAlarm(stubOf(name));
    const opened = await routed(name);
    await abortAllDurableObjects();
    await expect(Promise.resolve(opened.lease.renew())).rejects.toThrow();

    const adoption = {
      leaseId: opened.leaseId,
      podId: opened.pod.id,
      epoch: opened.pod.epoch,
      ageMs: 50,
      firstTokenSeen: false,
      promptTokens: 150,
      uncachedTokens: 150,
    };
    const adopted = (await stubOf(name).adopt(adoption)) as unknown as AdoptReply & Disposable;
    const again = (await stubOf(name).adopt(adoption)) as unknown as AdoptReply & Disposable;
    if (!adopted.ok || !again.ok) throw new Error("the lease was not adopted");
    expect(await leases(name)).toBe(1);
    await adopted.lease.finish({ kind: "completed" });
    expect(await leases(name)).toBe(0);
    adopted[Symbol.dispose]();
    again[Symbol.dispose]();
    expect(await leases(name)).toBe(0);
  });

  it("does not adopt a lease on a pod that has restarted since", async () => {
    const name = newRouter();
    await stubOf(name).ingest(push(1, [pod("a", { epoch: "2" })]));
    const gone = { leaseId: "x-1", podId: "local/default/a/8000", epoch: "1", ageMs: 5, firstTokenSeen: true };
    expect(await stubOf(name).adopt({ ...gone, promptTokens: 1, uncachedTokens: 1 })).toEqual({ ok: false });
    expect(await leases(name)).toBe(0);
  });

  it("routes without writing storage: a request leaves only an alarm behind", async () => {
    const name = newRouter();
    await stubOf(name).ingest(push(1, [pod("a")]));
    await runDurableObjectAlarm(stubOf(name));
    using _opened = await routed(name);
    await runInDurableObject(stubOf(name), async (_instance, state) => {
      const [row] = state.storage.sql.exec<{ state: string }>("SELECT state FROM checkpoint").toArray();
      expect(JSON.parse(row?.state ?? "null")).toMatchObject({ leases: [] });
      expect(await state.storage.getAlarm()).not.toBeNull();
    });
  });

  it("starts empty, and works, from a checkpoint it cannot read", async () => {
    const name = newRouter();
    await stubOf(name).ingest(push(1, [pod("a")]));
    await runDurableObjectAlarm(stubOf(name));
    await runInDurableObject(stubOf(name), (_instance, state) => {
      state.storage.sql.exec("UPDATE checkpoint SET version = 999");
    });
    await evictDurableObject(stubOf(name));
    expect((await stubOf(name).inspect()).pods).toEqual([]);
    await stubOf(name).ingest(push(2, [pod("a")]));
    using opened = await routed(name);
    expect(opened.pod.id).toBe("local/default/a/8000");
  });

  it("exposes nothing over RPC but its wire API", async () => {
    const stub = stubOf(newRouter()) as unknown as Record<string, () => Promise<unknown>>;
    for (const hidden of ["#router", "router", "_router", "changed", "armAlarm"]) {
      await expect(Promise.resolve(stub[hidden]?.())).rejects.toThrow();
    }
  });
});

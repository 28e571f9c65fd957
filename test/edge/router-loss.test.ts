import { abortAllDurableObjects, runDurableObjectAlarm } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type EdgeUnderTest, edgeUnderTest, type PlayedPod, playedStream } from "./edge-under-test.ts";

afterEach(() => vi.unstubAllGlobals());

const answers: PlayedPod = () => Response.json({ choices: [] });
const event = 'data: {"choices":[]}\n\n';

async function withPods(...names: string[]): Promise<EdgeUnderTest> {
  const edge = await edgeUnderTest({ routeMs: 500 });
  for (const name of names) edge.pods.set(name, answers);
  await edge.report(...names);
  await runDurableObjectAlarm(edge.router());
  return edge;
}

async function leases(edge: EdgeUnderTest): Promise<number> {
  return (await edge.router().inspect()).leases;
}

async function noLeases(edge: EdgeUnderTest): Promise<void> {
  await edge.settled();
  await vi.waitFor(async () => expect(await leases(edge)).toBe(0));
}

/** A router's stub that fails every call the way the runtime does. */
function failing(flags: object): { readonly stub: object; calls: number } {
  const failed = {
    calls: 0,
    stub: new Proxy(
      {},
      {
        get: () => async () => {
          failed.calls++;
          throw Object.assign(new Error("the object failed"), flags);
        },
      },
    ),
  };
  return failed;
}

describe("a reset of the ModelRouter", () => {
  it("between a pod's failure and the move: the request is routed anew, past the pods it has tried", async () => {
    const edge = await withPods("a", "b", "c");
    const tried: string[] = [];
    const failsAfterReset: PlayedPod = async (request) => {
      tried.push(new URL(request.url).hostname);
      if (tried.length === 1) await abortAllDurableObjects();
      return tried.length < 3 ? new Response("no", { status: 503 }) : Response.json({ choices: [] });
    };
    for (const name of ["a", "b", "c"]) edge.pods.set(name, failsAfterReset);
    const answer = await edge.chat();
    expect([answer.status, answer.headers.get("x-warmpath-attempts")]).toEqual([200, "3"]);
    expect(answer.headers.get("x-warmpath-degraded")).toBeNull();
    expect(new Set(tried).size, "each pod once").toBe(3);
    await answer.text();
    await noLeases(edge);
  });

  it("that leaves no pod to try is a failed request, not an internal error", async () => {
    const edge = await withPods("a");
    edge.pods.set("a", async () => {
      await abortAllDurableObjects();
      return new Response("no", { status: 503 });
    });
    const answer = await edge.chat();
    expect([answer.status, answer.headers.get("x-warmpath-reason")]).toEqual([503, "upstream_failed"]);
    await answer.text();
    await noLeases(edge);
  });

  it.each([
    ["while a request waits for its first byte", false],
    ["in mid-stream", true],
  ])("%s: the lease is adopted by the fresh instance and closed once", async (_when, begun) => {
    const edge = await withPods("a");
    const stream = playedStream();
    edge.pods.set("a", () => stream.response);
    const answer = await edge.chat({ stream: true });
    const text = answer.text();
    if (begun) stream.write(event);
    expect(await leases(edge)).toBe(1);
    await abortAllDurableObjects();
    expect(await leases(edge)).toBe(0);
    await vi.waitFor(async () => expect(await leases(edge)).toBe(1), { timeout: 8_000 });
    stream.write(`${event}data: [DONE]\n\n`);
    stream.end();
    expect(await text).toMatch(/data: \[DONE\]\n\n$/);
    await noLeases(edge);
    expect((await edge.router().inspect()).leasesFallen).toBe(0);
  });

  it("while a request waits, and then its pod fails: it moves all the same", async () => {
    const edge = await withPods("a", "b");
    const stalled = playedStream();
    let failed: string | undefined;
    const pod: PlayedPod = (request) => {
      if (failed !== undefined) return new Response(event, { headers: { "content-type": "text/event-stream" } });
      failed = new URL(request.url).hostname;
      return stalled.response;
    };
    edge.pods.set("a", pod).set("b", pod);
    const answer = await edge.chat({ stream: true });
    const text = answer.text();
    await abortAllDurableObjects();
    await vi.waitFor(async () => expect(await leases(edge)).toBe(1), { timeout: 8_000 });
    stalled.break();
    expect(await text).toContain(": x-warmpath-attempts: 2\n");
    expect(await text).toContain(event);
    await noLeases(edge);
  });
});

describe("a ModelRouter that cannot answer", () => {
  it.each<[string, object, string, number]>([
    ["is overloaded: it is not asked again", { overloaded: true, retryable: true }, "router_overloaded", 1],
    ["is gone: a fresh stub is asked once", { durableObjectReset: true }, "router_unreachable", 2],
    ["fails by itself", { remote: true }, "router_unreachable", 1],
  ])("%s, and the Worker routes over the pods it last saw", async (_what, flags, reason, calls) => {
    const edge = await withPods("a", "b");
    await (await edge.chat()).text();
    const failed = failing(flags);
    edge.replacement = failed.stub;
    const answer = await edge.chat();
    expect([answer.status, answer.headers.get("x-warmpath-degraded")]).toEqual([200, reason]);
    expect(failed.calls).toBe(calls);
    await answer.text();
    const next = await edge.chat();
    expect(next.headers.get("x-warmpath-degraded"), "the next request does not ask at all").toBe(reason);
    expect(failed.calls).toBe(calls);
    await next.text();
    edge.replacement = undefined;
    await vi.waitFor(
      async () => {
        const recovered = await edge.chat();
        await recovered.text();
        expect(recovered.headers.get("x-warmpath-degraded")).toBeNull();
      },
      { timeout: 5_000, interval: 50 },
    );
    await noLeases(edge);
  });

  it("does not answer in time: its late reply is let go of, with its lease", async () => {
    const edge = await withPods("a");
    await (await edge.chat()).text();
    const { promise: late, resolve } = Promise.withResolvers<void>();
    edge.replacement = {
      route: async (call: never) => {
        await late;
        return edge.router().route(call);
      },
    };
    const stream = playedStream();
    edge.pods.set("a", () => stream.response);
    const answer = await edge.chat({ stream: true });
    expect(answer.headers.get("x-warmpath-degraded")).toBe("router_silent");
    resolve();
    const text = answer.text();
    stream.write(event);
    stream.end();
    await text;
    await noLeases(edge);
  });

  it("falls silent when a request has to move: the request moves without it", async () => {
    const edge = await withPods("a", "b");
    await (await edge.chat()).text();
    const silent = () => new Promise(() => undefined);
    let calls = 0;
    edge.replacement = {
      route: async (call: never) => {
        if (calls++ > 0) return silent();
        const reply = (await edge.router().route(call)) as unknown as { lease: { finish(outcome: object): unknown } };
        const finish = (outcome: object) => reply.lease.finish(outcome);
        return { ...reply, lease: { move: silent, renew: silent, finish, [Symbol.dispose]: () => undefined } };
      },
    };
    const tried: string[] = [];
    const pod: PlayedPod = (request) => {
      tried.push(new URL(request.url).hostname);
      return tried.length === 1 ? new Response("no", { status: 503 }) : Response.json({ choices: [] });
    };
    edge.pods.set("a", pod).set("b", pod);
    const answer = await edge.chat();
    expect([answer.status, answer.headers.get("x-warmpath-attempts")]).toEqual([200, "2"]);
    expect(answer.headers.get("x-warmpath-degraded")).toBe("router_silent");
    expect(new Set(tried).size).toBe(2);
    await answer.text();
    await edge.settled();
  });

  it("keeps a conversation on its pod, and spreads others", async () => {
    const names = ["a", "b", "c", "d"];
    const edge = await withPods(...names);
    await (await edge.chat()).text();
    edge.replacement = failing({ overloaded: true }).stub;
    const podOf = async (change: object, headers: Record<string, string> = {}) => {
      const answer = await edge.chat(change, { headers });
      await answer.text();
      return answer.headers.get("target-pod");
    };
    const content = "You are a helpful assistant of a company. ".repeat(200);
    const prompt = (first: string, more: object[] = []) => ({
      messages: [{ role: "user", content: first + content }, ...more],
    });
    const turn = await podOf(prompt("x"));
    expect(await podOf(prompt("x", [{ role: "assistant", content: "and more" }]))).toBe(turn);
    expect(await podOf({}, { "x-session-id": "s" })).toBe(await podOf(prompt("y"), { "x-session-id": "s" }));
    const spread = await Promise.all(Array.from({ length: 40 }, (_, i) => podOf(prompt(`conversation ${i} `))));
    expect(new Set(spread).size).toBe(names.length);
  });

  it("does not keep a degraded request from another pod when its own fails", async () => {
    const edge = await withPods("a", "b");
    await (await edge.chat()).text();
    edge.replacement = failing({ overloaded: true }).stub;
    edge.pods.delete("a");
    for (let i = 0; i < 6; i++) {
      const answer = await edge.chat({}, { headers: { "x-session-id": `s-${i}` } });
      expect([answer.status, answer.headers.get("target-pod")]).toEqual([200, "local/default/b/8000"]);
      await answer.text();
    }
    await edge.settled();
  });

  it("counts a degraded stream once it answers again", async () => {
    const edge = await withPods("a");
    await (await edge.chat()).text();
    edge.replacement = failing({ overloaded: true }).stub;
    const stream = playedStream();
    edge.pods.set("a", () => stream.response);
    const answer = await edge.chat({ stream: true });
    const text = answer.text();
    stream.write(event);
    edge.replacement = undefined;
    await vi.waitFor(async () => expect(await leases(edge)).toBe(1), { timeout: 8_000 });
    stream.end();
    await text;
    await noLeases(edge);
  });

  it("and of which no pod was ever seen is answered 503 with the time to retry", async () => {
    const edge = await edgeUnderTest();
    edge.replacement = failing({ overloaded: true }).stub;
    const answer = await edge.chat();
    expect([answer.status, answer.headers.get("x-warmpath-reason")]).toEqual([503, "router_unavailable"]);
    expect(answer.headers.get("retry-after")).toBe("1");
    await answer.text();
  });

  it("that has lost all it knew is passed by until its collectors have told it again", async () => {
    const edge = await withPods("a");
    await (await edge.chat()).text();
    edge.replacement = { route: async () => ({ ok: false, reason: "no_endpoints", podsKnown: 0 }) };
    const answer = await edge.chat();
    expect([answer.status, answer.headers.get("x-warmpath-degraded")]).toEqual([200, "router_empty"]);
    await answer.text();
    await edge.settled();
  });
});

import { abortAllDurableObjects, runDurableObjectAlarm } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type EdgeUnderTest, edgeUnderTest, type PlayedPod, playedStream } from "./edge-under-test.ts";

afterEach(() => vi.unstubAllGlobals());

const answers: PlayedPod = () => Response.json({ choices: [] });
const event = 'data: {"choices":[]}\n\n';

/** Pods that take one request each, and have one that streams until `end` is called with the pod, or with none for all. */
async function busy(names: readonly string[], limits: object = {}) {
  const edge = await edgeUnderTest(limits, { queue: { mostInFlight: 1 } });
  await edge.report(...names);
  await runDurableObjectAlarm(edge.router());
  const streams = names.map((name) => {
    const stream = playedStream();
    edge.pods.set(name, () => stream.response);
    return stream;
  });
  for (const stream of streams) stream.write(event);
  const running = await Promise.all(names.map(() => edge.chat({ stream: true })));
  const texts = running.map((answer) => answer.text());
  for (const name of names) edge.pods.set(name, answers);
  const end = async (...ended: string[]) => {
    for (const name of ended.length > 0 ? ended : names) streams[names.indexOf(name)]?.end();
    await Promise.all(ended.length > 0 ? [] : texts);
  };
  return { edge, end };
}

async function waiting(edge: EdgeUnderTest): Promise<number> {
  return (await edge.router().inspect()).queue.waiting;
}

async function noLeases(edge: EdgeUnderTest): Promise<void> {
  await edge.settled();
  await vi.waitFor(async () => expect((await edge.router().inspect()).leases).toBe(0));
}

describe("a request while every pod is busy", () => {
  it.each([true, false])("is answered once a pod has room (streamed: %s)", async (stream) => {
    const { edge, end } = await busy(["a"]);
    const held = edge.chat({ stream });
    await vi.waitFor(async () => expect(await waiting(edge)).toBe(1));
    await end();
    expect((await held).status).toBe(200);
    await (await held).text();
    await noLeases(edge);
  });

  it("leaves the queue with its client", async () => {
    const { edge, end } = await busy(["a"]);
    const client = new AbortController();
    const held = edge.chat({}, { signal: client.signal });
    await vi.waitFor(async () => expect(await waiting(edge)).toBe(1));
    client.abort();
    expect((await held).headers.get("x-warmpath-reason")).toBe("client_left");
    await vi.waitFor(async () => expect(await waiting(edge)).toBe(0));
    await end();
    await noLeases(edge);
  });

  it.each([
    ["firstByteMs", true],
    ["wholeMs", false],
  ])("waits within %s", async (limit, stream) => {
    const { edge, end } = await busy(["a"], { firstByteMs: 60_000, wholeMs: 60_000, [limit]: 300 });
    const refused = await edge.chat({ stream });
    expect([refused.status, refused.headers.get("x-warmpath-reason")]).toEqual([429, "saturated"]);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    await end();
    await noLeases(edge);
  });

  it("is asked for anew if the router is reset", async () => {
    const { edge, end } = await busy(["a"]);
    const held = edge.chat();
    await vi.waitFor(async () => expect(await waiting(edge)).toBe(1));
    await abortAllDurableObjects();
    await end();
    const answer = await held;
    expect([answer.status, answer.headers.get("x-warmpath-degraded")]).toEqual([200, null]);
    await answer.text();
    await noLeases(edge);
  });
});

describe("a stream that waits for a pod for more than two seconds", () => {
  it("has its headers and comments meanwhile, and is told of its pod in a comment", async () => {
    const { edge, end } = await busy(["a"]);
    edge.pods.set("a", () => new Response(event, { headers: { "content-type": "text/event-stream" } }));
    const answer = await edge.chat({ stream: true });
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/event-stream; charset=utf-8"]);
    expect(answer.headers.get("x-warmpath-attempts")).toBe("0");
    expect(await waiting(edge)).toBe(1);
    await end();
    const text = await answer.text();
    expect(text).toMatch(/^: waiting\n\n/);
    expect(text).toContain("\n: x-warmpath-attempts: 1\n");
    expect(text).toContain("\n: target-pod: local/default/a/8000\n");
    expect(text.endsWith(event)).toBe(true);
    await noLeases(edge);
  });

  it("ends with an error event when its time is over, and a comment that says when to come back", async () => {
    const { edge, end } = await busy(["a"], { firstByteMs: 2_500 });
    const text = await (await edge.chat({ stream: true })).text();
    const last = text.trimEnd().split("\n\n").at(-1) ?? "";
    expect(JSON.parse(last.replace("data: ", ""))).toMatchObject({ error: { code: "saturated" } });
    expect(text).toMatch(/\n: retry-after: \d+\n\n/);
    await end();
    await noLeases(edge);
  });

  it("leaves the queue with its client, and takes an engine's refusal as an event", async () => {
    const { edge, end } = await busy(["a"]);
    const gone = await edge.chat({ stream: true });
    await gone.body?.cancel();
    await vi.waitFor(async () => expect(await waiting(edge)).toBe(0), { timeout: 5_000 });
    const refused = await edge.chat({ stream: true });
    edge.pods.set("a", () => Response.json({ error: { message: "too long", code: 400 } }, { status: 400 }));
    await end();
    expect(await refused.text()).toContain('data: {"error":{"message":"too long","code":400}}');
    await noLeases(edge);
  });

  it("waits without a word where headers are not to go out early", async () => {
    const { edge, end } = await busy(["a"], { headersEarly: false, firstByteMs: 2_500 });
    const answer = await edge.chat({ stream: true });
    expect(answer.status).toBe(429);
    await answer.text();
    await end();
    await noLeases(edge);
  });
});

describe("a request whose pod fails while the others are busy", () => {
  it.each([
    ["moves to one of them at once", false],
    ["moves at once though the router was reset meanwhile", true],
  ])("%s", async (_what, reset) => {
    const { edge, end } = await busy(["a", "b"]);
    const fails: PlayedPod = async (request) => {
      if (new URL(request.url).hostname === "b") return Response.json({ choices: [] });
      if (reset) await abortAllDurableObjects();
      return new Response("no", { status: 503 });
    };
    edge.pods.set("a", fails).set("b", fails);
    await end("a");
    const answer = await edge.chat();
    expect([answer.status, answer.headers.get("x-warmpath-attempts")]).toEqual([200, "2"]);
    await answer.text();
    await end("b");
    await noLeases(edge);
  });
});

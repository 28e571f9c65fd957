import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { PushProxy } from "../../../src/bench/faults/push-proxy.ts";
import { HttpRequests } from "../../../src/collector/http-requests.ts";
import { EdgeRequests } from "../../../src/collector/push/edge-requests.ts";
import { type PushOutcome, sendPush } from "../../../src/collector/push/send-push.ts";
import { importHmacKey } from "../../../src/protocol/hmac-key.ts";
import type { PushMessage } from "../../../src/protocol/push-message.ts";
import { CLUSTER_KEY, TestEdge } from "../../collector/push/test-edge.ts";

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Bench {
  edge: TestEdge;
  proxy: PushProxy;
  push(sequence: number): Promise<PushOutcome>;
  /** Sequence numbers as the edge got them, those it refused included. */
  arrived(): number[];
}

async function startBench(): Promise<Bench> {
  const edge = await TestEdge.start();
  const proxy = await PushProxy.start(edge.url);
  const http = new HttpRequests();
  closing.push(
    () => edge.close(),
    () => proxy.close(),
    () => http.close(),
  );
  const client = new EdgeRequests({
    edgeUrl: proxy.url,
    cluster: "local",
    key: await importHmacKey(CLUSTER_KEY),
    timeoutMs: 10_000,
    http,
    nowMs: Date.now,
    signal: new AbortController().signal,
  });
  const push = (sequence: number): Promise<PushOutcome> => sendPush(client, messageOf(sequence));
  return { edge, proxy, push, arrived: () => edge.attempts.map(({ sequence }) => sequence) };
}

function messageOf(sequence: number): PushMessage {
  const claims: PushMessage["claims"] = [{ kind: "clear", pod: "ns/a/80", epoch: "e" }];
  return { schema: 1, model: "m", source: "node-a", instance: "0123456789abcdef", sequence, pods: [], claims };
}

const acknowledged = (sequence: number): unknown =>
  expect.objectContaining({ kind: "acknowledged", reply: expect.objectContaining({ acknowledged: sequence }) });
const unreachable = expect.objectContaining({ kind: "unreachable" });

describe("PushProxy", () => {
  it("hands signed pushes to the edge and its replies back", async () => {
    const { edge, proxy, push } = await startBench();
    expect(await push(1)).toEqual(acknowledged(1));
    expect(await push(2)).toEqual(acknowledged(2));
    expect(edge.refusals).toEqual([]);
    expect(edge.taken).toEqual([messageOf(1), messageOf(2)]);
    expect(proxy.counts).toMatchObject({ received: 2, forwarded: 2 });
  });

  it("changes no byte of bodies, and no header, either way", async () => {
    const seen: { url: string | undefined; headers: string[]; body: Buffer }[] = [];
    const edge = await listening(
      createServer(async (request, response) => {
        const body = await buffer(request);
        seen.push({ url: request.url, headers: request.rawHeaders, body });
        response.writeHead(299, ["X-Reply", "a", "x-reply", "b", "Content-Length", "3"]).end(Buffer.of(0, 255, 10));
      }),
    );
    const proxy = await PushProxy.start(edge);
    closing.push(() => proxy.close());
    const body = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 256));
    const headers = { "X-Warmpath-Odd": "Kept; as=is", "content-type": "application/msgpack" };
    const reply = await fetch(`${proxy.url}/collector/v1/push?a=%20b`, { method: "POST", body, headers });
    expect(seen[0]?.url).toBe("/collector/v1/push?a=%20b");
    expect(seen[0]?.body.equals(body)).toBe(true);
    expect(headerOf(seen[0]?.headers ?? [], "x-warmpath-odd")).toBe("Kept; as=is");
    expect(headerOf(seen[0]?.headers ?? [], "content-length")).toBe("300000");
    expect(headerOf(seen[0]?.headers ?? [], "host")).toBe(new URL(proxy.url).host);
    expect(reply.status).toBe(299);
    expect(reply.headers.get("x-reply")).toBe("a, b");
    expect(new Uint8Array(await reply.arrayBuffer())).toEqual(Uint8Array.of(0, 255, 10));
  });

  it("refuses so many pushes with 503, and the edge sees none of them", async () => {
    const { proxy, push, arrived } = await startBench();
    proxy.strikeNext({ kind: "refuse" }, 2);
    expect(await push(1)).toEqual({ kind: "unreachable", reason: "the edge answered 503" });
    expect(await push(1)).toEqual({ kind: "unreachable", reason: "the edge answered 503" });
    expect(arrived()).toEqual([]);
    expect(await push(1)).toEqual(acknowledged(1));
    expect(proxy.counts).toMatchObject({ received: 3, forwarded: 1, struck: { refuse: 2 } });
  });

  it("cuts a push off before the edge sees it", async () => {
    const { proxy, push, arrived } = await startBench();
    proxy.strikeNext({ kind: "cut" });
    expect(await push(1)).toEqual(unreachable);
    expect(arrived()).toEqual([]);
    expect(await push(1)).toEqual(acknowledged(1));
  });

  it("loses the reply to a push that the edge takes", async () => {
    const { edge, proxy, push } = await startBench();
    proxy.strikeNext({ kind: "lose-reply" });
    expect(await push(1)).toEqual(unreachable);
    expect(edge.taken.map(({ sequence }) => sequence)).toEqual([1]);
    expect(await push(1)).toEqual({ kind: "replayed" });
  });

  it("doubles a push: the edge gets it twice, the sender reads the reply to the first", async () => {
    const { edge, proxy, push, arrived } = await startBench();
    proxy.strikeNext({ kind: "double" });
    expect(await push(1)).toEqual(acknowledged(1));
    expect(arrived()).toEqual([1, 1]);
    expect(edge.taken).toHaveLength(1);
    expect(proxy.counts).toMatchObject({ received: 1, forwarded: 2, struck: { double: 1 } });
  });

  it("holds a push back until after the next, its sender waiting", async () => {
    const { proxy, push, arrived } = await startBench();
    proxy.strikeNext({ kind: "hold", sender: "waits" });
    const held = push(1);
    await vi.waitFor(() => expect(proxy.counts.received).toBe(1));
    expect(await push(2)).toEqual(acknowledged(2));
    expect(await held).toEqual({ kind: "replayed" });
    expect(arrived()).toEqual([2, 1]);
  });

  it("holds a push back whose sender takes it for lost and sends it again", async () => {
    const { edge, proxy, push, arrived } = await startBench();
    proxy.strikeNext({ kind: "hold", sender: "cut" });
    expect(await push(1)).toEqual(unreachable);
    expect(arrived()).toEqual([]);
    expect(await push(1)).toEqual(acknowledged(1));
    await vi.waitFor(() => expect(arrived()).toEqual([1, 1]));
    expect(edge.taken).toHaveLength(1);
    expect(await push(2)).toEqual(acknowledged(2));
  });

  it("keeps a push held back while others never reach the edge", async () => {
    const { proxy, push, arrived } = await startBench();
    proxy.strikeNext({ kind: "hold", sender: "cut" });
    proxy.strikeNext({ kind: "refuse" });
    await push(1);
    await push(2);
    expect(arrived()).toEqual([]);
    await push(3);
    await vi.waitFor(() => expect(arrived()).toEqual([3, 1]));
  });

  it("forgets its faults and lets go of what it holds when told to strike nothing", async () => {
    const { proxy, push, arrived } = await startBench();
    proxy.strikeNext({ kind: "hold", sender: "waits" });
    proxy.strikeNext({ kind: "refuse" }, 5);
    const held = push(1);
    await vi.waitFor(() => expect(proxy.counts.received).toBe(1));
    proxy.strikeNothing();
    expect(await held).toEqual(acknowledged(1));
    expect(await push(2)).toEqual(acknowledged(2));
    expect(arrived()).toEqual([1, 2]);
  });

  it("breaks the sender's connection where the edge is out of reach", async () => {
    const edge = await TestEdge.start();
    const proxy = await PushProxy.start(edge.url);
    closing.push(() => proxy.close());
    await edge.close();
    await expect(fetch(proxy.url, { method: "POST", body: "a push" })).rejects.toThrow();
    expect(proxy.counts).toMatchObject({ received: 1, forwarded: 1 });
  });

  it("loses what it holds back when it closes", async () => {
    const { proxy, push, arrived } = await startBench();
    proxy.strikeNext({ kind: "hold", sender: "waits" });
    const held = push(1);
    await vi.waitFor(() => expect(proxy.counts.received).toBe(1));
    await proxy.close();
    expect(await held).toEqual(unreachable);
    expect(arrived()).toEqual([]);
  });
});

async function listening(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closing.push(async () => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The value of a header among raw ones. */
function headerOf(rawHeaders: readonly string[], name: string): string | undefined {
  const at = rawHeaders.findIndex((text, index) => index % 2 === 0 && text.toLowerCase() === name);
  return at < 0 ? undefined : rawHeaders[at + 1];
}

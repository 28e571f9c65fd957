import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { FaultOrder } from "../../src/sim/engine/faults.ts";
import { type LiveStack, MODEL, startStack } from "./live-stack.ts";
import { chatRequest, type RawClient, rawClient, requestHead } from "./raw-client.ts";
import { type ScriptedPod, startScriptedPod, writeEvents } from "./scripted-pod.ts";

/**
 * Every way a request can end. After each the router's counts are the engines' own, without a lease that had to fall:
 * nothing is left open, and nothing is still generated for nobody.
 */
let stack: LiveStack;
let scripted: ScriptedPod;
let fallen = 0;

beforeAll(async () => {
  stack = await startStack({ engine: { timeScale: 4 } });
  scripted = await startScriptedPod(stack, 2);
});
afterAll(async () => {
  await scripted?.stop();
  await stack?.stop();
});
afterEach(async () => {
  await faults({ kind: "none" });
  await stack.quiet(25_000);
  await vi.waitFor(async () => expect((await stack.inspect("scripted")).leases).toBe(scripted.inFlight()), 10_000);
  expect(scripted.inFlight()).toBe(0);
  expect((await stack.inspect()).leasesFallen).toBe(fallen);
});

const messages = [{ role: "user", content: "hello there" }];

async function faults(order: FaultOrder): Promise<void> {
  await Promise.all(stack.engines.map((engine) => engine.setFault(order)));
}

function chat(change: object = {}, init: RequestInit = {}): Promise<Response> {
  return fetch(`${stack.edge.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${stack.apiKey}`, "routing-strategy": "round-robin" },
    body: JSON.stringify({ model: MODEL, messages, max_tokens: 8, ...change }),
    ...init,
  });
}

function rawChat(change: object = {}): Promise<RawClient> {
  return rawClient(stack, chatRequest(stack, { model: MODEL, messages, stream: true, max_tokens: 4_000, ...change }));
}

function busy(requests: number): Promise<void> {
  return vi.waitFor(
    async () => {
      expect(stack.engines.reduce((sum, engine) => sum + engine.state().inFlight, 0)).toBe(requests);
      expect((await stack.inspect()).leases).toBe(requests);
    },
    { timeout: 10_000, interval: 20 },
  );
}

async function scriptedAnswer(parts: readonly string[]): Promise<string> {
  scripted.script = (response) => void writeEvents(response, parts);
  const answer = await chat({ model: "scripted", stream: true });
  expect(answer.status).toBe(200);
  return await answer.text();
}

describe("counts are right when", () => {
  it.each(["FIN", "RST"] as const)("(a) a client is gone before dispatch, by %s", async (how) => {
    const opened = (await stack.inspect()).leasesOpened;
    const client = await rawClient(stack, `${requestHead(stack, 500)}{"model": "${MODEL}", "mess`);
    await client.leave(how);
    expect(await (await chat()).json()).toMatchObject({ object: "chat.completion" });
    expect((await stack.inspect()).leasesOpened, "only the second request was placed").toBe(opened + 1);
  });

  it("(b) a client leaves while waiting for headers, by RST: the engine is told at once", async () => {
    await faults({ kind: "hang" });
    const client = await rawChat({ stream: false });
    await busy(1);
    const leftMs = Date.now();
    await client.leave("RST");
    await stack.quiet();
    expect(Date.now() - leftMs).toBeLessThan(3_000);
  });

  it.each(["FIN", "RST"] as const)("(b) a client leaves while waiting for the first byte, by %s", async (how) => {
    await faults({ kind: "hang-after-headers" });
    const client = await rawChat();
    await client.sees("text/event-stream");
    await busy(1);
    const leftMs = Date.now();
    await client.leave(how);
    await stack.quiet();
    expect(Date.now() - leftMs, "two comments tell").toBeLessThan(how === "RST" ? 3_000 : 6_000);
  });

  it.each(["FIN", "RST"] as const)("(c) a client leaves in mid-stream, by %s", async (how) => {
    const client = await rawChat();
    await client.sees("data: ");
    await busy(1);
    await client.leave(how);
    await stack.quiet();
    expect(stack.logs.join("\n"), "the pod is not to blame").not.toContain("answer_broken");
  });

  it("(d) a client reads slowly: the pod waits for it, and nothing piles up in between", async () => {
    const chunk = `data: ${"x".repeat(64 * 1024)}\n\n`;
    const most = 512;
    let written = 0;
    scripted.script = (response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const fill = (): void => {
        while (written++ < most) if (!response.write(chunk)) return void response.once("drain", fill);
        response.end("data: [DONE]\n\n");
      };
      fill();
    };
    const client = await rawChat({ model: "scripted" });
    await client.sees("data: ");
    client.pause();
    let before = -1;
    await vi.waitFor(
      () => {
        const still = written === before;
        before = written;
        expect(still).toBe(true);
      },
      { timeout: 10_000, interval: 500 },
    );
    expect(written, "32 MB are not on their way at once").toBeLessThan(most);
    expect((await stack.inspect("scripted")).leases).toBe(1);
    client.resume();
    await client.sees("data: [DONE]");
    expect(client.received().length).toBeGreaterThan(most * 64 * 1024);
    await client.leave("FIN");
  });

  it("(d) a client stops reading and then leaves", async () => {
    const client = await rawChat({ max_tokens: 8_000 });
    await client.sees("data: ");
    client.pause();
    await busy(1);
    await client.leave("RST");
  });

  it("(e) a pod refuses connections", async () => {
    await faults({ kind: "refuse" });
    const answer = await chat({ stream: true });
    expect([answer.status, answer.headers.get("x-warmpath-attempts")]).toEqual([502, "2"]);
    await answer.body?.cancel();
  });

  it("(f) an engine refuses the request itself", async () => {
    const answer = await chat({ messages: [{ role: "user", content: "long ".repeat(60_000) }], stream: true });
    expect([answer.status, answer.headers.get("x-warmpath-attempts")]).toEqual([400, "1"]);
    await answer.body?.cancel();
  });

  it("(g) one pod answers 503 and another one the request", async () => {
    await stack.engines[0]?.setFault({ kind: "status", status: 503 });
    const answers = await Promise.all([chat({ stream: true }), chat({ stream: true })]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(new Set(answers.map(({ headers }) => headers.get("x-warmpath-attempts")))).toContain("2");
    for (const answer of answers) expect(await answer.text()).toContain("[DONE]");
  });

  it("(h) retries are exhausted", async () => {
    await faults({ kind: "status", status: 503, retryAfter: 7 });
    const answer = await chat({ stream: true });
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "7"]);
    expect(answer.headers.get("x-warmpath-attempts")).toBe("2");
    await answer.body?.cancel();
  });

  it("(i) an upstream breaks off, or ends in order, without [DONE]", async () => {
    await faults({ kind: "die-mid-stream", afterTokens: 3 });
    const broken = await (await chat({ stream: true, max_tokens: 50 })).text();
    expect(broken).not.toContain("[DONE]");
    expect(broken).toContain('"code":"upstream_failed"');
    const parts = ['data: {"choices":[]}\n\n'];
    expect(await scriptedAnswer(parts), "the engine ended it: nothing is made up").toBe(parts.join(""));
  });

  it("(j) [DONE] is split over two chunks, or followed by more bytes", async () => {
    const parts = ['data: {"choices":[]}\n\ndata: [DO', "NE]\n", "\n", ": more\n\n"];
    expect(await scriptedAnswer(parts)).toBe(parts.join(""));
  });

  it("(k) there are two [DONE] markers", async () => {
    const parts = ["data: [DONE]\n\n", "data: [DONE]\n\n"];
    expect(await scriptedAnswer(parts)).toBe(parts.join(""));
  });

  it("(l) the method is not supported", async () => {
    const before = await stack.inspect();
    const answer = await chat({}, { method: "PUT" });
    expect(answer.status).toBe(405);
    await answer.body?.cancel();
    expect((await stack.inspect()).leasesOpened).toBe(before.leasesOpened);
  });

  it("(m) the body is too large", async () => {
    const before = await stack.inspect();
    const answer = await chat({ messages: [{ role: "user", content: "x".repeat(9 * 1024 * 1024) }] });
    expect(answer.status).toBe(413);
    await answer.body?.cancel();
    expect((await stack.inspect()).leasesOpened).toBe(before.leasesOpened);
  });

  it("(n) a pod is replaced by a new life of its own while it streams", async () => {
    const client = await rawChat({ max_tokens: 8_000 });
    await client.sees("data: ");
    await busy(1);
    const epochs = stack.engines.map(({ epoch }) => epoch);
    await faults({ kind: "restart" });
    await client.sees('"code":"upstream_failed"');
    expect(client.received()).not.toContain("[DONE]");
    await vi.waitFor(async () => {
      const { pods } = await stack.inspect();
      expect(pods.filter(({ epoch, state }) => state === "ready" && !epochs.includes(epoch))).toHaveLength(2);
    }, 15_000);
  });

  it("(n) a pod is removed while it streams: the stream goes on to its end", async () => {
    let end: (() => void) | undefined;
    scripted.script = (response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write('data: {"choices":[]}\n\n');
      end = () => void response.end("data: [DONE]\n\n");
    };
    const answer = await chat({ model: "scripted", stream: true });
    const text = answer.text();
    await vi.waitFor(() => expect(end).toBeDefined());
    await scripted.report(0);
    const during = await stack.inspect("scripted");
    expect(during.pods.map(({ state, inFlight }) => [state, inFlight])).toEqual([["draining", 1]]);
    expect((await chat({ model: "scripted", stream: true })).status, "and takes no new ones").toBe(503);
    end?.();
    expect(await text).toContain("[DONE]");
    await scripted.report(2);
  });

  it("(o) workerd is killed in mid-stream and starts again", { timeout: 90_000 }, async () => {
    const client = await rawChat({ max_tokens: 35_000 });
    await client.sees("data: ");
    await busy(1);
    // Long enough for a checkpoint to hold the lease, whose holder dies with the process.
    const events = () => client.received().split("data: ").length;
    await vi.waitFor(() => expect(events()).toBeGreaterThan(4_000), { timeout: 30_000, interval: 50 });
    await stack.restartEdge();
    await client.ended();
    await scripted.report(2);
    await stack.quiet(30_000);
    fallen = (await stack.inspect()).leasesFallen;
    expect(fallen, "nobody could give it back").toBeLessThanOrEqual(1);
    expect((await chat()).status).toBe(200);
  });

  it("(p) a stream, and the wait for its first byte, outlive the time after which leases fall", {
    timeout: 90_000,
  }, async () => {
    const streaming = await rawChat({ max_tokens: 12_000 });
    await streaming.sees("data: ");
    await faults({ kind: "hang-after-headers" });
    const waiting = await rawChat();
    await waiting.sees("text/event-stream");
    const sinceMs = Date.now();
    await vi.waitFor(() => expect(Date.now() - sinceMs).toBeGreaterThan(18_000), { timeout: 20_000, interval: 500 });
    expect((await stack.inspect()).leases).toBe(2);
    await busy(2);
    await Promise.all([streaming.leave("RST"), waiting.leave("RST")]);
  });
});

import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { FaultOrder } from "../../src/sim/engine/faults.ts";
import { type LiveStack, MODEL, startStack } from "./live-stack.ts";
import { chatRequest, rawClient } from "./raw-client.ts";
import { type ScriptedPod, startScriptedPod } from "./scripted-pod.ts";

const hangs = { kind: "hang-after-headers" } as const;
const messages = [{ role: "user", content: "hello there" }];

/** A stack with short limits, cleaned after each test. */
function stackWith(limits: object): { readonly it: LiveStack } {
  const holder: { it: LiveStack } = { it: undefined as never };
  beforeAll(async () => {
    const settings = {
      limits: { connectMs: 500, attemptFirstByteMs: 2_500, wholeMs: 3_000, idleMs: 2_000, ...limits },
    };
    holder.it = await startStack({ settings });
  });
  afterAll(() => holder.it?.stop());
  afterEach(async () => {
    await faults(holder.it, { kind: "none" });
    await holder.it.quiet();
    await vi.waitFor(async () => {
      const states = (await holder.it.inspect()).pods.map(({ state }) => state);
      expect(states).toEqual(["ready", "ready"]);
    }, 10_000);
  });
  return holder;
}

async function faults(stack: LiveStack, order: FaultOrder): Promise<void> {
  await Promise.all(stack.engines.map((engine) => engine.setFault(order)));
}

function chat(stack: LiveStack, change: object = {}): Promise<Response> {
  return fetch(`${stack.edge.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${stack.apiKey}`, "routing-strategy": "round-robin" },
    body: JSON.stringify({ model: MODEL, messages, max_tokens: 8, ...change }),
  });
}

/** Two streams begin with different pods. */
async function twoStreams(stack: LiveStack): Promise<{ headers: Headers; text: string }[]> {
  const ask = async () => {
    const answer = await chat(stack, { stream: true });
    expect(answer.status).toBe(200);
    return { headers: answer.headers, text: await answer.text() };
  };
  return Promise.all([ask(), ask()]);
}

function lastEvent(text: string): unknown {
  const last = text.trimEnd().split("\n\n").at(-1) ?? "";
  return JSON.parse(last.slice("data: ".length));
}

describe("with headers ahead of the first token, as by default", () => {
  const stack = stackWith({ firstByteMs: 6_000, totalMs: 8_000 });

  it("a pod that has sent headers and stalls is left, and another pod's stream spliced in", async () => {
    await stack.it.engines[0]?.setFault(hangs);
    const answers = await twoStreams(stack.it);
    const [moved, ...others] = answers.filter(({ text }) => text.includes(": x-warmpath-attempts: 2\n"));
    expect(others).toHaveLength(0);
    expect(moved?.headers.get("x-warmpath-attempts"), "as it was when the headers went out").toBe("1");
    expect(moved?.text).toMatch(
      /^: waiting\n\n[\s\S]*: target-pod: [^\n]*engine-1[\s\S]*data: \{[\s\S]*data: \[DONE\]\n\n$/,
    );
    expect(moved?.text.match(/"role":"assistant"/g), "one stream, from its beginning").toHaveLength(1);
  });

  it("a pod that sends no headers is left after the same time", async () => {
    await stack.it.engines[0]?.setFault({ kind: "hang" });
    const answers = await twoStreams(stack.it);
    expect(answers.map(({ headers }) => headers.get("x-warmpath-attempts")).sort()).toEqual(["1", "2"]);
    for (const { text } of answers) expect(text).toContain("[DONE]");
  });

  it("a pod that does not even say whether it is there is left much earlier, by whole answers too", async () => {
    await stack.it.engines[0]?.setFault({ kind: "hang", scope: "all" });
    const sinceMs = Date.now();
    const answers = await Promise.all([chat(stack.it), chat(stack.it)]);
    expect(Date.now() - sinceMs).toBeLessThan(2_400);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    for (const answer of answers) await answer.text();
  });

  it("comments keep the line alive while nothing but headers came", async () => {
    await faults(stack.it, hangs);
    const client = await rawClient(
      stack.it,
      chatRequest(stack.it, { model: MODEL, messages, stream: true, max_tokens: 4 }),
    );
    await client.sees(": waiting\n\n");
    expect(client.received()).not.toContain("data:");
    await client.leave("RST");
  });

  it("a pod that has lost one request while it serves others is left long before that", async () => {
    const eager = await startStack({ settings: { limits: { overdueMs: 500 } } });
    try {
      await eager.engines[0]?.setFault({ kind: "hang", count: 1 });
      const answers = await twoStreams(eager);
      expect(answers.filter(({ headers }) => headers.get("x-warmpath-attempts") === "2")).toHaveLength(1);
      for (const { text } of answers) expect(text).toMatch(/data: \[DONE\]\n\n$/);
      expect((await eager.inspect()).pods.map(({ health }) => health.kind)).toEqual(["healthy", "healthy"]);
    } finally {
      await eager.stop();
    }
  });

  it("a stream to which no pod says anything ends with an error event and without [DONE]", async () => {
    await faults(stack.it, hangs);
    const [answer] = await twoStreams(stack.it);
    expect(answer?.text).not.toContain("[DONE]");
    const error = { code: "deadline_exceeded", type: "timeout_error", param: null };
    expect(lastEvent(answer?.text ?? "")).toMatchObject({ error });
  });

  it("a slow pod is waited for to the deadline when there is no other one", async () => {
    await stack.it.engines[0]?.setFault({ kind: "refuse" });
    await stack.it.engines[1]?.setFault({ kind: "slow", factor: 5_000 });
    const sinceMs = Date.now();
    const answer = await chat(stack.it, { stream: true, max_tokens: 1 });
    expect(await answer.text()).toContain("[DONE]");
    expect(Date.now() - sinceMs, "longer than one attempt may take where there are others").toBeGreaterThan(2_500);
  });

  it("an engine's own refusal goes out as an event once the headers are out", async () => {
    await stack.it.engines[0]?.setFault({ kind: "die-mid-stream", afterTokens: 0 });
    await stack.it.engines[1]?.setFault({ kind: "status", status: 503 });
    for (const { text } of await twoStreams(stack.it)) {
      expect(text).not.toContain("[DONE]");
      expect(lastEvent(text)).toMatchObject({ error: { message: expect.any(String) } });
    }
  });

  it("an answer that is not streamed has its own deadline", async () => {
    await faults(stack.it, { kind: "hang" });
    const answer = await chat(stack.it);
    expect([answer.status, answer.headers.get("x-warmpath-reason")]).toEqual([504, "deadline_exceeded"]);
    await answer.body?.cancel();
  });

  it("an answer that goes on for too long ends with an error event", async () => {
    await faults(stack.it, { kind: "slow", factor: 20 });
    const answer = await chat(stack.it, { stream: true, max_tokens: 20_000 });
    const text = await answer.text();
    expect(lastEvent(text)).toMatchObject({ error: { code: "deadline_exceeded" } });
    expect(text).not.toContain("[DONE]");
  });

  describe("a pod that falls silent to everybody after the first byte", () => {
    let pod: ScriptedPod;
    beforeAll(async () => {
      pod = await startScriptedPod(stack.it, 1);
    });
    afterAll(() => pod?.stop());

    it("has its streams ended with an error event", async () => {
      pod.script = (response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write('data: {"choices":[]}\n\n');
        pod.answers = false;
      };
      const answer = await chat(stack.it, { model: "scripted", stream: true });
      expect(lastEvent(await answer.text())).toMatchObject({ error: { code: "upstream_stalled" } });
      await vi.waitFor(async () => expect((await stack.it.inspect("scripted")).leases).toBe(0));
      await vi.waitFor(() => expect(pod.inFlight()).toBe(0));
    });
  });
});

describe("without early headers, and with each stream's own silence watched", () => {
  const stack = stackWith({ firstByteMs: 3_500, headersEarly: false, idleWatch: "bytes" });

  it("a stream that no pod begins in time is answered 504", async () => {
    await faults(stack.it, hangs);
    const answer = await chat(stack.it, { stream: true });
    expect([answer.status, answer.headers.get("x-warmpath-reason")]).toEqual([504, "deadline_exceeded"]);
    await answer.body?.cancel();
  });

  it("an attempt that stalls moves before any header is out", async () => {
    await stack.it.engines[0]?.setFault(hangs);
    const answers = await twoStreams(stack.it);
    expect(answers.map(({ headers }) => headers.get("x-warmpath-attempts")).sort()).toEqual(["1", "2"]);
    for (const { text } of answers) expect(text).toMatch(/^data: [\s\S]*data: \[DONE\]\n\n$/);
  });

  it("one stream that falls silent after its first byte ends with an error event, its pod being well", async () => {
    await faults(stack.it, { kind: "stall", afterTokens: 3 });
    const answer = await chat(stack.it, { stream: true, max_tokens: 50 });
    const text = await answer.text();
    expect(lastEvent(text)).toMatchObject({ error: { code: "upstream_stalled" } });
    expect(text).not.toContain("[DONE]");
  });
});

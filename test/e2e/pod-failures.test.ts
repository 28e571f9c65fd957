import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { FaultOrder } from "../../src/sim/engine/faults.ts";
import { type LiveStack, MODEL, startStack } from "./live-stack.ts";

let stack: LiveStack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => stack?.stop());
afterEach(async () => {
  await Promise.all(stack.engines.map((engine) => engine.setFault({ kind: "none" })));
  await stack.quiet();
});

const [first, second] = [0, 1];

function chat(change: object = {}, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${stack.edge.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${stack.apiKey}`, "routing-strategy": "round-robin", ...headers },
    body: JSON.stringify({
      model: MODEL,
      messages: [{ role: "user", content: "hello there" }],
      max_tokens: 8,
      ...change,
    }),
  });
}

async function fault(engine: number, order: FaultOrder): Promise<void> {
  await stack.engines[engine]?.setFault(order);
}

/** Sends enough requests that round-robin has begun with either pod. */
async function chats(change: object = {}): Promise<Response[]> {
  const answers: Response[] = [];
  for (let i = 0; i < 4; i++) answers.push(await chat(change));
  return answers;
}

/** What an answer says of its way: in its headers, or in a note where it moved after they were out. */
async function toldOf(answer: Response) {
  const text = await answer.text();
  const told = (name: string) => new RegExp(`^: ${name}: (.*)$`, "m").exec(text)?.[1] ?? answer.headers.get(name);
  return { attempts: told("x-warmpath-attempts"), pod: told("target-pod"), text };
}

describe.each([
  ["streamed", { stream: true }],
  ["whole", {}],
])("a %s answer", (_how, change) => {
  it.each<[string, FaultOrder]>([
    ["refuses connections", { kind: "refuse" }],
    ["answers 500", { kind: "status", status: 500 }],
    ["answers 429", { kind: "status", status: 429 }],
    ["dies after its headers and before its first token", { kind: "die-mid-stream", afterTokens: 0 }],
  ])("comes from the other pod when the first one %s", async (_what, order) => {
    await fault(first, order);
    const answers = await chats(change);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const told = await Promise.all(answers.map(toldOf));
    expect(new Set(told.map(({ attempts }) => attempts))).toEqual(new Set(["1", "2"]));
    for (const { pod, text } of told) {
      expect(pod).toContain(`engine-${second}`);
      expect(text).toContain(MODEL);
    }
  });
});

describe("a failing fleet", () => {
  it("answers 502 when every pod refuses connections", async () => {
    await Promise.all([fault(first, { kind: "refuse" }), fault(second, { kind: "refuse" })]);
    const answer = await chat();
    expect([answer.status, answer.headers.get("x-warmpath-reason")]).toEqual([502, "upstream_failed"]);
    expect(answer.headers.get("x-warmpath-attempts")).toBe("2");
    const { error } = (await answer.json()) as { error: { message: string } };
    expect(error.message).not.toMatch(/127\.0\.0\.1|engine-/);
  });

  it("passes an engine's own refusal of a request on, without trying others", async () => {
    const answer = await chat({ messages: [{ role: "user", content: "long ".repeat(60_000) }] });
    expect(answer.status).toBe(400);
    expect(answer.headers.get("x-warmpath-attempts")).toBe("1");
    await answer.body?.cancel();
  });
});

describe("a stream that breaks after its commit", () => {
  it("ends with an error event and without [DONE]", async () => {
    const order = { kind: "die-mid-stream", afterTokens: 3 } as const;
    await Promise.all([fault(first, order), fault(second, order)]);
    for (let i = 0; i < 20; i++) {
      const answer = await chat({ stream: true, max_tokens: 50 });
      expect(answer.status).toBe(200);
      const text = await answer.text();
      expect(text).not.toContain("[DONE]");
      const last = text.trimEnd().split("\n\n").at(-1) ?? "";
      expect(JSON.parse(last.slice("data: ".length))).toMatchObject({ error: { code: "upstream_failed" } });
    }
  });
});

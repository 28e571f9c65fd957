import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { policyNames } from "../../src/routing/policies/registry.ts";
import { type LiveStack, MODEL, startStack } from "./live-stack.ts";

let stack: LiveStack;
beforeAll(async () => {
  stack = await startStack({
    settings: {
      models: [
        { name: MODEL, adapters: ["sql-lora"], policy: { name: "weighted", parameters: { session: 5, kv: 0 } } },
      ],
    },
  });
});
afterAll(() => stack?.stop());

type Record = { readonly policy: string; readonly columns: readonly string[] };

async function ask(headers: { [name: string]: string } = {}, model = MODEL) {
  const response = await fetch(`${stack.edge.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${stack.apiKey}`, ...headers },
    body: JSON.stringify({ model, max_tokens: 4, messages: [{ role: "user", content: `hello ${Math.random()}` }] }),
  });
  const decision = response.headers.get("x-warmpath-decision");
  return {
    status: response.status,
    policy: response.headers.get("x-warmpath-policy"),
    session: response.headers.get("x-session-id"),
    pod: response.headers.get("target-pod"),
    decision: decision === null ? undefined : (JSON.parse(decision) as Record),
    body: (await response.json()) as { error?: { message: string } },
  };
}

describe("routing policies through the whole stack", () => {
  it.each([...policyNames(), "prefix-cache:2,least-request:1"])(
    "%s answers, for a model and an adapter",
    async (policy) => {
      for (const model of [MODEL, "sql-lora"]) {
        const answer = await ask({ "routing-strategy": policy, "x-session-id": "s", "x-slo-ttft-ms": "500" }, model);
        expect(answer).toMatchObject({ status: 200, policy, decision: { policy } });
      }
    },
  );

  it("take the parameters of the model's settings, unless the header names another policy", async () => {
    expect((await ask()).decision?.columns).toEqual(["score", "prefix", "queue", "session"]);
    expect((await ask({ "routing-strategy": "weighted" })).decision?.columns).toContain("session");
    expect((await ask({ "routing-strategy": "least-request" })).decision?.columns).toEqual(["requests", "known"]);
  });

  it("keep a session on its pod, however the client calls it", async () => {
    for (const name of ["x-session-id", "x-aibrix-session-key"]) {
      const pods = new Set<string | null>();
      for (let i = 0; i < 6; i++) pods.add((await ask({ "routing-strategy": "session-affinity", [name]: "one" })).pod);
      expect(pods.size).toBe(1);
    }
  });

  it("give a session to come back with to who asks for affinity without one", async () => {
    const first = await ask({ "routing-strategy": "session-affinity" });
    expect(first.session).toMatch(/^[0-9a-f-]{36}$/);
    const headers = { "routing-strategy": "session-affinity", "x-session-id": first.session ?? "" };
    for (let i = 0; i < 4; i++) expect((await ask(headers)).pod).toBe(first.pod);
    expect((await ask()).session).toBeNull();
  });

  it("are refused with what is wrong about them", async () => {
    const { status, body } = await ask({ "routing-strategy": "least-request:1,random:1" });
    expect(status).toBe(400);
    expect(body.error?.message).toMatch(/random cannot be part of a blend\. Use one of: warmpath, random, /);
  });
});

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ExplainReply } from "../../src/cli/explain-reply.ts";
import { policyNames } from "../../src/routing/policies/registry.ts";
import type { RecordedDecision } from "../../src/routing/recorded-decision.ts";
import { type LiveStack, MODEL, SECRETS, startStack } from "./live-stack.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));

let stack: LiveStack;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "warmpath-explain-"));
  stack = await startStack({
    engines: 3,
    settings: {
      models: [
        { name: MODEL, adapters: ["sql-lora"], decisions: { share: 1, keep: 500 } },
        { name: "unserved", queue: { holdWithoutPods: false } },
      ],
    },
  });
});
afterAll(async () => {
  await stack?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Runs the command as its users do. Resolves with what it printed; rejects with what it complained of. */
async function warmpath(...args: string[]): Promise<string> {
  const env = { ...process.env, WARMPATH_ADMIN_KEY: SECRETS.WARMPATH_ADMIN_KEY, WARMPATH_EDGE: stack.edge.url };
  return (await promisify(execFile)(process.execPath, [MAIN, ...args], { env, maxBuffer: 2 ** 26 })).stdout;
}

const chatOf = (text: string, change: object = {}) => ({
  model: MODEL,
  max_tokens: 4,
  messages: [{ role: "user", content: text }],
  ...change,
});

async function send(body: object, headers: { [name: string]: string } = {}): Promise<Response> {
  const init = { method: "POST", headers: { authorization: `Bearer ${stack.apiKey}`, ...headers } };
  const answer = await fetch(`${stack.edge.url}/v1/chat/completions`, { ...init, body: JSON.stringify(body) });
  expect(answer.status).toBe(200);
  await answer.text();
  return answer;
}

async function explain(body: unknown, query = "", headers: { [name: string]: string } = {}) {
  const authorization = `Bearer ${SECRETS.WARMPATH_ADMIN_KEY}`;
  const answer = await fetch(`${stack.edge.url}/admin/v1/explain${query}`, {
    method: "POST",
    headers: { authorization, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return {
    status: answer.status,
    reason: answer.headers.get("x-warmpath-reason"),
    body: (await answer.json()) as ExplainReply,
  };
}

async function decisions(query: string): Promise<RecordedDecision[]> {
  const headers = { authorization: `Bearer ${SECRETS.WARMPATH_ADMIN_KEY}` };
  const answer = await fetch(`${stack.edge.url}/admin/v1/decisions?model=${MODEL}${query}`, { headers });
  expect(answer.headers.get("content-type")).toContain("application/jsonl");
  const lines = (await answer.text()).split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as RecordedDecision);
}

const LONG = "All the world's a stage, and all the men and women merely players. ".repeat(80);

describe("an explanation of a request", () => {
  it("names the pod that the request then gets, from the same prompt and the same match", async () => {
    const first = await send(chatOf(LONG));
    await stack.quiet();
    const explained = await explain(chatOf(LONG));
    expect(explained).toMatchObject({
      status: 200,
      body: {
        model: { asked: MODEL, base: MODEL, adapter: null },
        policy: { name: "warmpath", parameters: {} },
        prompt: { endpoint: "chat", renderer: "none", segmentBytes: 256, segments: expect.any(Number) },
        admission: { outcome: "placed" },
        chosen: first.headers.get("target-pod"),
        leftOut: [],
      },
    });
    const [choice, ...others] = explained.body.candidates;
    expect(others).toHaveLength(2);
    const again = await send(chatOf(LONG));
    expect(again.headers.get("target-pod")).toBe(explained.body.chosen);
    expect(again.headers.get("x-warmpath-match")).toBe(`${choice?.matchedTokens}/${explained.body.prompt.tokens}`);
    expect(choice?.matchedTokens).toBeGreaterThan(500);
    const decision = JSON.parse(again.headers.get("x-warmpath-decision") ?? "");
    expect(explained.body.columns.map(({ name }) => name)).toEqual(decision.columns);
    expect(explained.body.columns).toContainEqual({ name: "ttftMs", unit: "ms" });
  });

  it("opens no lease, claims nothing, records nothing, reaches no engine", async () => {
    await stack.quiet();
    const seen = async () => {
      const { leases, leasesOpened, speculativeClaims, confirmedClaims, queue, decisions, pods } =
        await stack.inspect();
      const own = pods.map(({ id, requests, inFlight, claims }) => ({ id, requests, inFlight, claims }));
      return { leases, leasesOpened, speculativeClaims, confirmedClaims, queue, decisions, own };
    };
    const before = await seen();
    const served = stack.engines.map((engine) => engine.state().finished);
    for (const policy of policyNames()) {
      const { status, body } = await explain(chatOf(`unseen ${policy} ${LONG}`), `?policy=${policy}&session=s`);
      expect({ status, policy: body.policy.name }).toEqual({ status: 200, policy });
      expect(body.candidates).toHaveLength(3);
    }
    expect(await seen()).toEqual(before);
    expect(stack.engines.map((engine) => engine.state().finished)).toEqual(served);
  });

  it("heeds headers, and the key whose request it is taken to be", async () => {
    const header = { "routing-strategy": "session-affinity", "x-session-id": "mine" };
    const pinned = (await send(chatOf("hello"), header)).headers.get("target-pod");
    expect((await explain(chatOf("other"), "?key=all", header)).body).toMatchObject({ chosen: pinned });
    const out = await explain(chatOf("other"), `?key=all&exclude=${pinned}`, header);
    expect(out.body.leftOut).toEqual([{ id: pinned, reasons: ["tried"] }]);
    expect(out.body.chosen).not.toBe(pinned);
  });

  it("takes completions, token ids and adapters", async () => {
    const completion = await explain({ model: "sql-lora", prompt: LONG });
    expect(completion.body).toMatchObject({ model: { adapter: "sql-lora" }, prompt: { endpoint: "completions" } });
    const ids = await explain({ model: MODEL, prompt: [1, 2, 3] });
    expect(ids.body.prompt).toMatchObject({ tokens: 3, segments: 0, approximate: expect.any(String) });
  });

  it("refuses what a request would be refused for, and who is no administrator", async () => {
    expect(await explain("{")).toMatchObject({ status: 400, reason: "not_json" });
    expect(await explain(chatOf("x", { model: "nobody" }))).toMatchObject({ status: 404, reason: "model_not_found" });
    expect(await explain(chatOf("x"), "?policy=best")).toMatchObject({ status: 400, reason: "unknown_policy" });
    expect(await explain(chatOf("x"), "?key=nobody")).toMatchObject({ status: 400, reason: "bad_field" });
    const key = { authorization: `Bearer ${stack.apiKey}` };
    expect(await explain(chatOf("x"), "", key)).toMatchObject({ status: 401, reason: "bad_key" });
    expect((await explain(chatOf("x", { model: "unserved" }))).body).toMatchObject({
      admission: { outcome: "no_endpoints" },
      chosen: null,
      candidates: [],
    });
  });

  it("is a table on the command line", async () => {
    const file = path.join(folder, "body.json");
    await writeFile(file, JSON.stringify(chatOf(LONG)));
    const text = await warmpath("explain", "--file", file);
    expect(text).toMatch(
      /^qwen3-8b, chat, renderer none: [\d,]+ bytes, about [\d,]+ tokens, \d+ segments of 256 bytes/,
    );
    expect(text).toMatch(/^warmpath: goes to engine-\d\/\d+; the others follow/m);
    expect(text).toMatch(/^> {2}engine-\d/m);
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(120);
    const asked = await warmpath("explain", "--model", MODEL, "--prompt", "hi", "--policy", "random", "--json");
    expect(JSON.parse(asked)).toMatchObject({ policy: { name: "random" }, admission: { outcome: "placed" } });
    await expect(warmpath("explain", "--model", "nobody", "--prompt", "hi")).rejects.toThrow(/does not exist/);
  });
});

describe("recorded decisions", () => {
  it("hold what became of each request", async () => {
    const sinceMs = Date.now();
    await send(chatOf(`${LONG} once more`, { stream: true }));
    await stack.quiet();
    const recorded = await decisions(`&since=${sinceMs}`);
    expect(recorded).toHaveLength(1);
    const [decision] = recorded;
    expect(decision).toMatchObject({
      v: 1,
      policy: "warmpath",
      request: { model: MODEL },
      outcome: { kind: "completed", ttftMs: expect.any(Number), endedAtMs: expect.any(Number) },
    });
    expect(decision?.candidates).toHaveLength(3);
    expect(JSON.stringify(decision)).not.toContain("stage");
    expect(await decisions(`&since=${new Date(Date.now() + 60_000).toISOString()}`)).toEqual([]);
    expect(await decisions("&limit=1")).toEqual(recorded);
  });

  it("replay to the same pods under the policy that made them, whichever it was", async () => {
    const policies = [
      "warmpath",
      "vtc-basic",
      "prefix-cache-preble",
      "session-affinity",
      "prefix-cache:2,least-request:1",
    ];
    for (const policy of policies) {
      const sinceMs = Date.now();
      const chats = Array.from({ length: 24 }, (_, i) => chatOf(`chat ${i % 5} ${LONG.slice(0, 500 * (i % 7))}`));
      const headers = { "routing-strategy": policy, "x-session-id": policy };
      for (let i = 0; i < chats.length; i += 6) {
        await Promise.all(chats.slice(i, i + 6).map((chat) => send(chat, headers)));
      }
      const file = path.join(folder, "log.jsonl");
      await writeFile(file, await warmpath("decisions", "--model", MODEL, "--since", String(sinceMs)));
      const replay = JSON.parse(await warmpath("replay", file, "--policy", policy, "--policy", "random", "--json"));
      expect(replay).toMatchObject({
        decisions: 24,
        rows: [{ policy: "as recorded" }, { policy, changedShare: 0 }, { policy: "random" }],
      });
      expect(replay.rows[2].changedShare).toBeGreaterThan(0);
    }
  });

  it("are replayed straight from the edge, too", async () => {
    const text = await warmpath(
      "replay",
      "--from-edge",
      "--model",
      MODEL,
      "--policy",
      "warmpath,random",
      "--show",
      "3",
    );
    expect(text).toMatch(/^as recorded +0\.0 %/m);
    expect(text).toMatch(/^random +\d+\.\d %/m);
    expect(text.split("\n").filter((line) => line.includes("engine-"))).toHaveLength(3);
  });
});

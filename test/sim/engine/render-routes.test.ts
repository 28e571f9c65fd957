import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startEngine } from "../../../src/sim/engine/engine.ts";
import type { SimulatedEngine } from "../../../src/sim/engine/simulated-engine.ts";
import { post } from "./engine-client.ts";

let engine: SimulatedEngine;
let older: SimulatedEngine;

beforeAll(async () => {
  engine = await startEngine({ model: "m", timeScale: 20, maxModelLen: 2000, kvEvents: false });
  older = await startEngine({ model: "m", timeScale: 20, kvEvents: false, renderRoutes: false, tokenizerInfo: false });
});

afterAll(async () => {
  await engine.close();
  await older.close();
});

async function ask(path: string, body: unknown): Promise<Record<string, unknown>> {
  const reply = await post(engine.url + path, body);
  expect(reply.status).toBe(200);
  return JSON.parse(reply.text);
}

const chat = {
  messages: [
    { role: "system", content: "Be brief." },
    { role: "user", content: [{ type: "text", text: "Café, naïve?" }] },
  ],
  tools: [{ type: "function", function: { name: "look", parameters: { type: "object", properties: {} } } }],
};

describe("POST /v1/chat/completions/render", () => {
  it("gives the ids that the same chat is tokenized to", async () => {
    const { token_ids } = await ask("/v1/chat/completions/render", { ...chat, model: "m" });
    const { tokens } = await ask("/tokenize", chat);
    expect(token_ids).toEqual(tokens);
  });

  it("tells what would be generated, in vLLM's members and order", async () => {
    const body = { ...chat, model: "m", max_tokens: 7, temperature: 0.5, stop: "END", cache_salt: "s" };
    const rendered = await ask("/v1/chat/completions/render", body);
    expect(rendered).toEqual({
      request_id: expect.stringMatching(/^chatcmpl-[0-9a-f]{32}$/),
      token_ids: expect.any(Array),
      features: null,
      sampling_params: { temperature: 0.5, stop: ["END"], max_tokens: 7 },
      model: "m",
      stream: false,
      stream_options: null,
      cache_salt: "s",
      priority: 0,
      kv_transfer_params: null,
    });
    expect(Object.keys(rendered).slice(0, 4)).toEqual(["request_id", "token_ids", "features", "sampling_params"]);
  });

  it("leaves all the room there is where the request sets no limit", async () => {
    const { token_ids, sampling_params } = await ask("/v1/chat/completions/render", chat);
    expect(sampling_params).toEqual({ max_tokens: 2000 - (token_ids as unknown[]).length });
  });

  it("follows reasoning_effort, which /tokenize does not know", async () => {
    const quiet = { ...chat, reasoning_effort: "none" };
    const [rendered, plain] = [await ask("/v1/chat/completions/render", quiet), await ask("/tokenize", quiet)];
    const { prompt } = await ask("/detokenize", { tokens: rendered.token_ids });
    expect(prompt).toMatch(/<think>\n\n<\/think>\n\n$/);
    expect(plain).toEqual(await ask("/tokenize", chat));
  });

  it("computes and caches nothing", async () => {
    engine.resetStats();
    await ask("/v1/chat/completions/render", { messages: [{ role: "user", content: "never seen ".repeat(50) }] });
    expect(engine.state()).toMatchObject({ finished: 0, prefillTokensComputed: 0, blocksCached: 0 });
  });

  it.each([
    ["an unknown model", { ...chat, model: "other" }, 404],
    ["no messages", { model: "m" }, 400],
    ["a prompt beyond the context", { messages: [{ role: "user", content: "word ".repeat(3000) }] }, 400],
  ])("refuses %s as generation does", async (_, body, status) => {
    const reply = await post(`${engine.url}/v1/chat/completions/render`, body);
    expect(reply.status).toBe(status);
    expect(reply.text).toBe((await post(`${engine.url}/v1/chat/completions`, body)).text);
  });
});

describe("POST /v1/completions/render", () => {
  it("gives one entry for each prompt", async () => {
    const rendered = await ask("/v1/completions/render", { prompt: ["Hello world", "Hello"], max_tokens: 1 });
    expect(rendered).toMatchObject([{ token_ids: [9707, 1879] }, { token_ids: [9707] }]);
  });
});

describe("a server without the optional routes", () => {
  it.each([
    ["POST", "/v1/chat/completions/render"],
    ["POST", "/v1/completions/render"],
    ["GET", "/tokenizer_info"],
  ])("answers 404 to %s %s", async (method, path) => {
    const body = method === "POST" ? JSON.stringify(chat) : null;
    expect((await fetch(older.url + path, { method, body })).status).toBe(404);
  });
});

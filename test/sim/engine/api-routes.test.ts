import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startEngine } from "../../../src/sim/engine/engine.ts";
import type { SimulatedEngine } from "../../../src/sim/engine/simulated-engine.ts";
import { generate, post } from "./engine-client.ts";

let engine: SimulatedEngine;
let guarded: SimulatedEngine;

beforeAll(async () => {
  engine = await startEngine({
    model: "qwen/qwen3-8b",
    servedNames: ["qwen3-8b", "default"],
    adapters: ["sql-lora"],
    timeScale: 20,
    maxModelLen: 2000,
    kvTokens: 32_000,
    kvEvents: false,
  });
  guarded = await startEngine({ apiKey: "secret", timeScale: 20, eventEncoding: "map" });
});

afterAll(async () => {
  await engine.close();
  await guarded.close();
});

const messages = [{ role: "user", content: "hello" }];

async function get(path: string): Promise<unknown> {
  return (await fetch(engine.url + path)).json();
}

async function metric(name: string): Promise<string | undefined> {
  const text = await (await fetch(`${engine.url}/metrics`)).text();
  return text.split("\n").find((line) => line.startsWith(name));
}

describe("refusals", () => {
  const chatWith = (more: object): string => JSON.stringify({ model: "qwen3-8b", messages, ...more });
  const long = "word ".repeat(3000);

  it.each([
    ["broken JSON", '{"model":', 400, "BadRequestError", null],
    ["no messages", '{"model":"qwen3-8b"}', 400, "BadRequestError", "messages"],
    ["empty messages", '{"model":"qwen3-8b","messages":[]}', 400, "BadRequestError", "messages"],
    ["an unknown model", chatWith({ model: "gpt-9" }), 404, "NotFoundError", "model"],
    [
      "a prompt beyond the context",
      chatWith({ messages: [{ role: "user", content: long }] }),
      400,
      "BadRequestError",
      "input_tokens",
    ],
    ["more tokens than the context has room for", chatWith({ max_tokens: 5000 }), 400, "BadRequestError", "max_tokens"],
    ["max_tokens of zero", chatWith({ max_tokens: 0 }), 400, "BadRequestError", "max_tokens"],
    ["empty tools", chatWith({ tools: [] }), 400, "BadRequestError", "tools"],
  ])("answer %s in the OpenAI envelope", async (_, body, status, type, param) => {
    const reply = await post(`${engine.url}/v1/chat/completions`, body);
    expect(reply.status).toBe(status);
    const { error } = JSON.parse(reply.text);
    expect(error).toEqual({ message: expect.stringMatching(/./), type, param, code: status });
  });

  it("answer 401 under /v1 without the key, and serve the rest", async () => {
    const url = `${guarded.url}/v1/chat/completions`;
    expect((await post(url, { messages })).status).toBe(401);
    expect((await post(url, { messages }, { authorization: "Bearer wrong!" })).status).toBe(401);
    expect((await post(url, { messages }, { authorization: "Bearer secret" })).status).toBe(200);
    expect((await fetch(`${guarded.url}/health`)).status).toBe(200);
  });

  it("answer 404 for unknown paths and 405 for wrong methods", async () => {
    expect((await fetch(`${engine.url}/nowhere`)).status).toBe(404);
    expect((await fetch(`${engine.url}/v1/chat/completions`)).status).toBe(405);
  });
});

describe("GET routes", () => {
  it("list served names and adapters", async () => {
    const { data } = (await get("/v1/models")) as { data: object[] };
    expect(data).toMatchObject([
      { id: "qwen3-8b", object: "model", root: "qwen/qwen3-8b", parent: null, max_model_len: 2000, owned_by: "vllm" },
      { id: "default", root: "qwen/qwen3-8b", parent: null },
      { id: "sql-lora", root: "/adapters/sql-lora", parent: "qwen3-8b" },
    ]);
  });

  it("tell health and version", async () => {
    const health = await fetch(`${engine.url}/health`);
    expect([health.status, await health.text()]).toEqual([200, ""]);
    expect(await get("/version")).toEqual({ version: "0.23.0" });
    expect(await (await fetch(`${guarded.url}/version`)).json()).toEqual({ version: "0.28.0rc1" });
  });

  it("give the chat template", async () => {
    expect(await get("/tokenizer_info")).toMatchObject({
      tokenizer_class: "Qwen2Tokenizer",
      chat_template: expect.stringContaining("<|im_start|>"),
      added_tokens_decoder: { 151644: "<|im_start|>", 151645: "<|im_end|>" },
    });
  });
});

describe("/tokenize and /detokenize", () => {
  it("encode a prompt, with token strings on request", async () => {
    const reply = await post(`${engine.url}/tokenize`, {
      model: "default",
      prompt: "Hello world",
      return_token_strs: true,
    });
    expect(JSON.parse(reply.text)).toEqual({
      count: 2,
      max_model_len: 2000,
      tokens: [9707, 1879],
      token_strs: ["Hello", "Ġworld"],
    });
  });

  it("encode messages as a chat prompt, and decode back", async () => {
    const encoded = JSON.parse((await post(`${engine.url}/tokenize`, { messages })).text);
    expect(encoded.token_strs).toBeNull();
    const decoded = JSON.parse((await post(`${engine.url}/detokenize`, { tokens: encoded.tokens })).text);
    expect(decoded).toEqual({ prompt: "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n" });
    const answer = await generate(`${engine.url}/v1/chat/completions`, { messages });
    expect(answer.usage?.prompt_tokens).toBe(encoded.count);
  });

  it("spell the tokens of messages on request", async () => {
    const reply = await post(`${engine.url}/tokenize`, { messages, return_token_strs: true });
    expect(JSON.parse(reply.text).token_strs).toEqual([
      "<|im_start|>",
      "user",
      "Ċ",
      "hello",
      "<|im_end|>",
      "Ċ",
      "<|im_start|>",
      "assistant",
      "Ċ",
    ]);
  });

  it("follow add_generation_prompt", async () => {
    const { count } = JSON.parse((await post(`${engine.url}/tokenize`, { messages })).text);
    const shorter = await post(`${engine.url}/tokenize`, { messages, add_generation_prompt: false });
    expect(JSON.parse(shorter.text).count).toBe(count - 3);
  });
});

describe("/v1/embeddings", () => {
  it("gives equal inputs equal vectors, as floats or base64", async () => {
    const url = `${engine.url}/v1/embeddings`;
    const floats = JSON.parse((await post(url, { input: ["a", "b", "a"], dimensions: 4 })).text);
    const [first, second, third] = floats.data.map(({ embedding }: { embedding: number[] }) => embedding);
    expect(first).toHaveLength(4);
    expect(third).toEqual(first);
    expect(second).not.toEqual(first);
    const packed = JSON.parse((await post(url, { input: "a", dimensions: 4, encoding_format: "base64" })).text);
    const bytes = Buffer.from(packed.data[0].embedding, "base64");
    expect([0, 4, 8, 12].map((at) => bytes.readFloatLE(at))).toEqual(first);
  });
});

describe("GET /metrics", () => {
  it("counts tokens, hits and requests under vLLM's names", async () => {
    const fresh = await startEngine({ model: "m", timeScale: 20, kvTokens: 3200, maxModelLen: 1000, kvEvents: false });
    const body = { messages: [{ role: "user", content: "count me ".repeat(30) }], max_tokens: 5 };
    const first = await generate(`${fresh.url}/v1/chat/completions`, body);
    const again = await generate(`${fresh.url}/v1/chat/completions`, body);
    const text = await (await fetch(`${fresh.url}/metrics`)).text();
    const promptTokens = first.usage?.prompt_tokens ?? 0;
    const cachedTokens = again.usage?.prompt_tokens_details.cached_tokens ?? 0;
    const labels = 'engine="0",model_name="m"';
    expect(text.split("\n")).toEqual(
      expect.arrayContaining([
        `vllm:num_requests_running{${labels}} 0`,
        `vllm:num_requests_waiting{${labels}} 0`,
        `vllm:kv_cache_usage_perc{${labels}} 0`,
        `vllm:prefix_cache_queries_total{${labels}} ${2 * promptTokens}`,
        `vllm:prefix_cache_hits_total{${labels}} ${cachedTokens}`,
        `vllm:prompt_tokens_total{${labels}} ${2 * promptTokens}`,
        `vllm:prompt_tokens_cached_total{${labels}} ${cachedTokens}`,
        `vllm:generation_tokens_total{${labels}} 10`,
        `vllm:time_to_first_token_seconds_count{${labels}} 2`,
        `vllm:inter_token_latency_seconds_count{${labels}} 8`,
        `vllm:e2e_request_latency_seconds_count{${labels}} 2`,
        `vllm:num_preemptions_total{${labels}} 0`,
        `vllm:request_success_total{finished_reason="length",${labels}} 2`,
      ]),
    );
    expect(text).toMatch(/^vllm:cache_config_info\{block_size="16",.*num_gpu_blocks="200",.*\} 1$/m);
    await fresh.close();
  });

  it("tells the cache size in tokens if the imitated version does", async () => {
    expect(await metric("vllm:cache_config_info{")).not.toContain("kv_cache_size_tokens");
    const text = await (await fetch(`${guarded.url}/metrics`)).text();
    expect(text).toContain('kv_cache_size_tokens="440000"');
  });

  it("tells when the process began: constant in a life, later after a restart", async () => {
    const began = async (): Promise<number> => Number((await metric("process_start_time_seconds "))?.split(" ")[1]);
    const first = await began();
    expect(Math.abs(first - Date.now() / 1000)).toBeLessThan(600);
    await generate(`${engine.url}/v1/chat/completions`, { messages, max_tokens: 1 });
    expect(await began()).toBe(first);
    await engine.setFault({ kind: "restart" });
    const second = await began();
    expect(second).toBeGreaterThan(first);
    await engine.setFault({ kind: "restart" });
    expect(await began()).toBeGreaterThan(second);
  });

  it("names adapters with work on them", async () => {
    expect(await metric("vllm:lora_requests_info{")).toMatch(
      /^vllm:lora_requests_info\{max_lora="1",running_lora_adapters="",/,
    );
  });
});

describe("POST /reset_prefix_cache", () => {
  it("forgets every prefix", async () => {
    const url = `${engine.url}/v1/chat/completions`;
    const body = { messages: [{ role: "user", content: "forget me ".repeat(30) }] };
    await generate(url, body);
    expect((await post(`${engine.url}/reset_prefix_cache`, "")).status).toBe(200);
    expect((await generate(url, body)).usage?.prompt_tokens_details.cached_tokens).toBe(0);
  });
});

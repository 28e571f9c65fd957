import OpenAI, {
  AuthenticationError,
  BadRequestError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
} from "openai";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type LiveStack, MODEL, startStack } from "./live-stack.ts";

let stack: LiveStack;
let client: OpenAI;

beforeAll(async () => {
  stack = await startStack();
  client = new OpenAI({ apiKey: stack.apiKey, baseURL: `${stack.edge.url}/v1`, maxRetries: 0 });
});
afterAll(() => stack?.stop());
afterEach(async () => {
  await Promise.all(stack.engines.map((engine) => engine.setFault({ kind: "none" })));
  await stack.quiet();
});

const messages = [
  { role: "system" as const, content: "You are terse." },
  { role: "user" as const, content: "Say something about warm caches." },
];

describe("the openai client, pointed at Warmpath", () => {
  it("gets a chat completion", async () => {
    const answer = await client.chat.completions.create({ model: MODEL, messages, max_tokens: 12 });
    expect(answer.choices[0]?.message.content).toMatch(/\S/);
    expect(answer.usage?.completion_tokens).toBe(12);
  });

  it("gets a streamed chat completion with the usage it asked for", async () => {
    const stream = await client.chat.completions.create({
      model: MODEL,
      messages,
      max_tokens: 12,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = "";
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage ?? usage;
    }
    expect(text).toMatch(/\S/);
    expect(usage?.completion_tokens).toBe(12);
  });

  it("never sees usage it did not ask for, although the edge reads it on some streams", async () => {
    for (let i = 0; i < 20; i++) {
      const stream = await client.chat.completions.create({ model: MODEL, messages, max_tokens: 2, stream: true });
      for await (const chunk of stream) expect(chunk.usage ?? null).toBeNull();
    }
  });

  it("gets text completions, streamed or not", async () => {
    const prompt = "Once upon a time ".repeat(40);
    const whole = await client.completions.create({ model: MODEL, prompt, max_tokens: 5 });
    expect(whole.choices[0]?.text).toMatch(/\S/);
    const stream = await client.completions.create({ model: MODEL, prompt, max_tokens: 5, stream: true });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.text ?? "";
    expect(text).toBe(whole.choices[0]?.text);
  });

  it("lists and retrieves models, adapters with their parent", async () => {
    const ids: string[] = [];
    for await (const model of client.models.list()) ids.push(model.id);
    expect(ids).toEqual([MODEL, "sql-lora", "unserved", "scripted"]);
    expect(await client.models.retrieve("sql-lora")).toMatchObject({ id: "sql-lora", parent: MODEL });
    await expect(client.models.retrieve("nope")).rejects.toBeInstanceOf(NotFoundError);
  });

  it("gets an adapter's answers under the adapter's name", async () => {
    const answer = await client.chat.completions.create({ model: "sql-lora", messages, max_tokens: 3 });
    expect(answer.model).toBe("sql-lora");
  });

  it("gets tool calls, streamed or not", async () => {
    const tool = { type: "function" as const, function: { name: "get_weather", parameters: { type: "object" } } };
    const ask = {
      model: MODEL,
      messages,
      tools: [tool],
      tool_choice: { type: "function" as const, function: { name: "get_weather" } },
    };
    const whole = await client.chat.completions.create(ask);
    expect(whole.choices[0]?.message.tool_calls?.[0]).toMatchObject({ function: { name: "get_weather" } });
    const stream = client.chat.completions.stream(ask);
    const final = await stream.finalChatCompletion();
    expect(final.choices[0]?.message.tool_calls?.[0]).toMatchObject({ function: { name: "get_weather" } });
  });

  it("may send fields the edge does not know", async () => {
    const answer = await client.chat.completions.create({
      model: MODEL,
      messages,
      max_tokens: 2,
      made_up: { a: 1.0 },
    } as never);
    expect(answer).toMatchObject({ object: "chat.completion" });
  });

  it("stops the engine when it aborts in mid-stream", async () => {
    const stream = await client.chat.completions.create({ model: MODEL, messages, max_tokens: 20_000, stream: true });
    for await (const _chunk of stream) break;
    stream.controller.abort();
    const aborted = () => stack.engines.reduce((sum, engine) => sum + engine.state().aborted, 0);
    await vi.waitFor(() => expect(aborted()).toBeGreaterThan(0), { timeout: 5_000 });
    await stack.quiet();
  });

  it("sees its own error classes", async () => {
    const ask = (model: string, more: object = {}) =>
      client.chat.completions.create({ model, messages, max_tokens: 2, ...more });
    const other = new OpenAI({ apiKey: "sk-wrong", baseURL: client.baseURL, maxRetries: 0 });
    await expect(other.models.list()).rejects.toBeInstanceOf(AuthenticationError);
    await expect(ask("nope")).rejects.toBeInstanceOf(NotFoundError);
    await expect(ask(MODEL, { messages: [] })).rejects.toBeInstanceOf(BadRequestError);
    await expect(ask(MODEL, { stream: "yes" })).rejects.toBeInstanceOf(BadRequestError);
    const narrow = new OpenAI({ apiKey: stack.narrowKey, baseURL: client.baseURL, maxRetries: 0 });
    await expect(narrow.models.retrieve(MODEL)).rejects.toBeInstanceOf(PermissionDeniedError);
  });

  it("sees a rate limit when every pod answers 429", async () => {
    await Promise.all(stack.engines.map((engine) => engine.setFault({ kind: "status", status: 429, retryAfter: 3 })));
    const refused = client.chat.completions.create({ model: MODEL, messages, max_tokens: 2 });
    await expect(refused).rejects.toBeInstanceOf(RateLimitError);
    await expect(refused).rejects.toMatchObject({ status: 429, headers: expect.anything() });
  });
});

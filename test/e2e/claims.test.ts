import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import * as z from "zod";
import { exactModel } from "./exact-model.ts";
import { type LiveStack, MODEL, startStack } from "./live-stack.ts";

const BLOCK_TOKENS = 16;
const SEGMENT_BYTES = 256;

let stack: LiveStack;
beforeAll(async () => {
  stack = await startStack(await exactModel());
});
afterAll(() => stack?.stop());

type Message = { readonly role: string; readonly content: string };

const usageSchema = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string() }) })),
  usage: z.object({
    prompt_tokens: z.number(),
    prompt_tokens_details: z.object({ cached_tokens: z.number() }).nullish(),
  }),
});

/** One call: its answer, what was predicted of its cache hit and what the engine reports of it. */
async function ask(messages: readonly Message[]) {
  const response = await fetch(`${stack.edge.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${stack.apiKey}` },
    body: JSON.stringify({ model: MODEL, messages, max_tokens: 40 }),
  });
  const { choices, usage } = usageSchema.parse(await response.json());
  return {
    answer: choices[0]?.message.content ?? "",
    pod: response.headers.get("target-pod"),
    predictedTokens: Number(response.headers.get("x-warmpath-match")?.split("/")[0]),
    cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
    bytesPerToken: JSON.stringify(messages).length / usage.prompt_tokens,
  };
}

/** Waits until the events of the last answer are claims: what is confirmed no longer changes. */
async function eventsArrived(): Promise<void> {
  let before = -1;
  await vi.waitFor(
    async () => {
      const { confirmedClaims } = await stack.inspect();
      const settled = confirmedClaims > 0 && confirmedClaims === before;
      before = confirmedClaims;
      expect(settled).toBe(true);
    },
    { timeout: 10_000, interval: 700 },
  );
}

describe("claims from an engine's own events", () => {
  it("predict each turn's cache hit to within one segment and one block", async () => {
    const messages: Message[] = [
      { role: "system", content: `You answer briefly. ${"Rules matter: cite nothing, éàü 你好. ".repeat(40)}` },
    ];
    for (let turn = 0; turn < 5; turn++) {
      messages.push({ role: "user", content: `Question ${turn}: ${"what about warm caches? ".repeat(20)}` });
      const { answer, predictedTokens, cachedTokens, bytesPerToken } = await ask(messages);
      const tolerance = SEGMENT_BYTES / bytesPerToken + BLOCK_TOKENS;
      expect(Math.abs(predictedTokens - cachedTokens), `turn ${turn}`).toBeLessThanOrEqual(tolerance);
      if (turn > 0) expect(cachedTokens).toBeGreaterThan(500);
      messages.push({ role: "assistant", content: answer });
      await eventsArrived();
    }
    const { pods } = await stack.inspect();
    expect(pods.map(({ index }) => index)).toEqual(pods.map(() => ({ mode: "exact" })));
  });

  it("are gone when an engine clears its cache", async () => {
    const messages = [{ role: "user", content: "forget me ".repeat(300) }];
    const { pod } = await ask(messages);
    await eventsArrived();
    await Promise.all(stack.engines.map((engine) => engine.setFault({ kind: "clear" })));
    await vi.waitFor(async () => expect((await stack.inspect()).confirmedClaims).toBe(0), { timeout: 10_000 });
    const again = await ask(messages);
    expect([again.predictedTokens, again.cachedTokens], `first asked ${pod}`).toEqual([0, 0]);
  });
});

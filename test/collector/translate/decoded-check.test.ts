import { beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { CanonicalTokens } from "../../../src/collector/translate/canonical/canonical-tokens.ts";
import { DecodedCheck } from "../../../src/collector/translate/canonical/decoded-check.ts";
import { PodTranslation } from "../../../src/collector/translate/pod-translation.ts";
import type { TokenBytes } from "../../../src/collector/translate/token-bytes.ts";
import { TokenizerStore } from "../../../src/collector/translate/tokenizer/tokenizer-store.ts";
import { noTranslationCounts } from "../../../src/collector/translate/translation-counts.ts";
import { loadQwenTokenizer } from "../../../src/sim/engine/qwen-tokenizer.ts";
import type { ModelBlock } from "./cache-model.ts";
import { EdgeModel } from "./edge-model.ts";
import { storedEvent } from "./events.ts";
import { MODEL, SECRET, segmentsOf, segmentText } from "./text-of-tokens.ts";
import { QWEN_FILE } from "./tokenizer/qwen-file.ts";

const BLOCK_TOKENS = 16;
const PROMPT =
  "<|im_start|>user\nTell me about the sea, at length, and do not leave out the whales.<|im_end|>\n<|im_start|>assistant\n";
const ANSWER = "The sea is wide. It is also deep, cold and full of whales that sing to each other at night. ".repeat(4);

const qwen = loadQwenTokenizer();
let tokenBytes: TokenBytes;
let tokens: CanonicalTokens;

beforeAll(async () => {
  const loaded = await new TokenizerStore().load(QWEN_FILE);
  if (!loaded.ok || loaded.encoder === undefined) throw new Error("Qwen's tokenizer can be encoded with");
  tokenBytes = loaded.tokenBytes;
  tokens = new CanonicalTokens(loaded.encoder, tokenBytes);
});

async function translate(coreShare = 0.25) {
  const edge = new EdgeModel();
  const counts = noTranslationCounts();
  const check = new DecodedCheck({ counts, coreShare, nowMs: () => performance.now() });
  onTestFinished(() => check.close());
  const text = await segmentText(32, tokenBytes);
  const translation = new PodTranslation({
    pod: "ns/a/1",
    epoch: "e",
    text,
    secret: SECRET,
    baseModel: MODEL,
    limits: { mostBlocks: 10_000, mostWaiting: 1000 },
    counts,
    check: (forest, block) => check.offer(forest, tokens, block),
    emit: (change) => edge.apply([change]),
  });
  let sequence = 0;
  /** The prompt's blocks at once, the rest one by one, as vLLM announces them. */
  const play = (ids: readonly number[], promptTokens: number) => {
    const blocks: ModelBlock[] = [];
    for (let end = BLOCK_TOKENS; end <= ids.length; end += BLOCK_TOKENS) {
      const hash = String(ids.slice(0, end).reduce((sum, id) => (sum * 31 + id) % 1e15, 7));
      blocks.push({ hash, parent: blocks.at(-1), tokens: ids.slice(0, end), adapter: undefined });
    }
    const read = Math.floor(promptTokens / BLOCK_TOKENS);
    for (const run of [blocks.slice(0, read), ...blocks.slice(read).map((block) => [block])]) {
      const event = storedEvent(run, BLOCK_TOKENS);
      const batch = { timeS: 1, dataParallelRank: 0, events: [event], skipped: [] };
      translation.take(batch, { sequence: sequence++, timeS: 1 });
    }
    return blocks;
  };
  const claimed = () => {
    translation.collect(1e6);
    return [...edge.claims.keys()].sort();
  };
  const namesOf = (ids: readonly number[]) =>
    segmentsOf(text, ids)
      .map(({ name }) => name)
      .sort();
  return { counts, play, claimed, namesOf };
}

async function until(check: () => void): Promise<void> {
  await vi.waitFor(check, { timeout: 10_000, interval: 2 });
}

const prompt = [...qwen.encode(PROMPT)];
const answer = [...qwen.encode(ANSWER)];

/** The same text, the token at `at` written as single bytes. */
function sampledOtherwise(ids: readonly number[], at: number): number[] {
  const letters = [...qwen.bytesOf(ids[at] as number)].flatMap((byte) => [...qwen.encode(String.fromCharCode(byte))]);
  return [...ids.slice(0, at), ...letters, ...ids.slice(at + 1)];
}

describe("DecodedCheck", () => {
  it("leaves claimed what the tokenizer would have written too", async () => {
    const { counts, play, claimed, namesOf } = await translate();
    const blocks = play([...prompt, ...answer], prompt.length);
    await until(() => expect(counts.checked).toBe(counts.checkable));
    expect(counts.checked).toBeGreaterThan(3);
    expect(counts.uncanonical).toBe(0);
    expect(claimed()).toEqual(namesOf(blocks.at(-1)?.tokens ?? []));
  });

  it("withholds the first block that would come back otherwise, and all behind it", async () => {
    const { counts, play, claimed, namesOf } = await translate();
    const at = answer.findIndex((id, i) => i > 40 && qwen.bytesOf(id).length > 5);
    const sampled = [...prompt, ...sampledOtherwise(answer, at)];
    const blocks = play(sampled, prompt.length);
    await until(() => expect(counts.uncanonical).toBe(1));
    const good = blocks.filter(({ tokens: ids }) => ids.length <= prompt.length + at);
    expect(good.length).toBeGreaterThan(2);
    expect(claimed()).toEqual(namesOf(good.at(-1)?.tokens ?? []));
  });

  it("claims the text again once a prompt has brought it back", async () => {
    const { counts, play, claimed, namesOf } = await translate();
    const at = answer.findIndex((id, i) => i > 20 && qwen.bytesOf(id).length > 5);
    play([...prompt, ...sampledOtherwise(answer, at)], prompt.length);
    await until(() => expect(counts.uncanonical).toBe(1));
    const again = [...prompt, ...answer];
    const blocks = play(again, again.length);
    expect(claimed()).toEqual(namesOf(blocks.at(-1)?.tokens ?? []));
  });

  it("leaves claimed what it has no time for", async () => {
    const { counts, play, claimed, namesOf } = await translate(0);
    const long = [...qwen.encode(ANSWER.repeat(100))];
    const blocks = play([...prompt, ...long], prompt.length);
    await until(() => expect(counts.checked).toBeGreaterThan(0));
    expect(counts.checked).toBeLessThan(counts.checkable);
    expect(claimed()).toEqual(namesOf(blocks.at(-1)?.tokens ?? []));
  });
});

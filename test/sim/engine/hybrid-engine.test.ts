import { afterEach, describe, expect, it } from "vitest";
import { startEngine } from "../../../src/sim/engine/engine.ts";
import type { EngineOptionsInput } from "../../../src/sim/engine/engine-options.ts";
import type { SimulatedEngine } from "../../../src/sim/engine/simulated-engine.ts";
import { generate, post } from "./engine-client.ts";
import { askReplay, contentAfter, type HeardBatch } from "./kv-listener.ts";

const open: SimulatedEngine[] = [];

afterEach(async () => {
  for (const engine of open.splice(0)) await engine.close();
});

async function startHybrid(options: EngineOptionsInput): Promise<SimulatedEngine> {
  const engine = await startEngine({
    hybrid: "window",
    windowTokens: 64,
    timeScale: 50,
    maxModelLen: 1600,
    ...options,
  });
  open.push(engine);
  return engine;
}

/** Token ids first, first + 1, ... */
function ids(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}

async function cachedTokens(engine: SimulatedEngine, prompt: readonly number[], maxTokens = 1): Promise<number> {
  const { usage } = await generate(`${engine.url}/v1/completions`, { prompt, max_tokens: maxTokens });
  return usage?.prompt_tokens_details.cached_tokens ?? -1;
}

async function contains(engine: SimulatedEngine, tokens: readonly number[]): Promise<Record<string, unknown>> {
  return JSON.parse((await post(`${engine.control}/sim/contains`, { tokens })).text);
}

async function blocks(engine: SimulatedEngine, query: string): Promise<Map<bigint, number>> {
  const answer = (await (await fetch(`${engine.control}/sim/blocks${query}`)).json()) as { blocks: [string, number][] };
  return new Map(answer.blocks.map(([hash, copies]) => [BigInt(hash), copies]));
}

/** Everything published so far. */
async function published(engine: SimulatedEngine): Promise<HeardBatch[]> {
  const replies = await askReplay(engine.kvReplay, 0);
  return replies.slice(0, -1).map((frames) => ({
    topic: "",
    sequence: frames.at(-2)?.readBigUInt64BE() ?? 0n,
    payload: frames.at(-1) ?? Buffer.alloc(0),
  }));
}

describe("a hybrid engine", () => {
  it("reports as cached what every group can go on from, and tells it apart from what full attention holds", async () => {
    const engine = await startHybrid({ eventEncoding: "map" });
    expect(await cachedTokens(engine, ids(1000, 500))).toBe(0);
    expect(await cachedTokens(engine, ids(1000, 500))).toBe(496);
    // Sent on its own, the beginning is full attention's alone: the window group keeps where the prompt ended.
    expect(await contains(engine, ids(1000, 320))).toMatchObject({
      blockTokens: 16,
      cachedTokens: 320,
      hitTokens: 0,
      heldBy: Array.from({ length: 20 }, () => [0]),
    });
    expect(await cachedTokens(engine, ids(1000, 321))).toBe(0);
    expect(await contains(engine, ids(1000, 499))).toMatchObject({ cachedTokens: 496, hitTokens: 496 });
  });

  it("keeps every block of the window group in the way of older versions", async () => {
    const engine = await startHybrid({ eventEncoding: "array" });
    await cachedTokens(engine, ids(1000, 500));
    expect(await contains(engine, ids(1000, 320))).toMatchObject({ cachedTokens: 320, hitTokens: 320 });
    expect(await cachedTokens(engine, ids(1000, 321))).toBe(320);
  });

  it.each(["array", "map"] as const)("lists and publishes each group's blocks (%s)", async (eventEncoding) => {
    const engine = await startHybrid({ eventEncoding, kvTokens: 1600 });
    for (let round = 0; round < 10; round += 1) await cachedTokens(engine, ids(1000 * (round % 7), 400 + round), 20);
    const batches = await published(engine);
    for (const group of [0, 1]) {
      expect(await blocks(engine, `?group=${group}`)).toEqual(contentAfter(batches, group));
    }
    expect(await blocks(engine, "")).toEqual(contentAfter(batches, 0));
    const copies = [...contentAfter(batches, 0).values(), ...contentAfter(batches, 1).values()];
    expect(engine.state().blocksCached).toBe(copies.reduce((sum, count) => sum + count, 0));
  });

  it("counts hits in its metrics as in its answers, and a smaller cache in tokens than in block slots", async () => {
    const engine = await startHybrid({ eventEncoding: "map", kvTokens: 16_000 });
    const hits = [await cachedTokens(engine, ids(1000, 500)), await cachedTokens(engine, ids(1000, 500))];
    const text = await (await fetch(`${engine.url}/metrics`)).text();
    expect(text).toMatch(new RegExp(`^vllm:prefix_cache_hits_total\\{.*\\} ${hits[1]}$`, "m"));
    // Two groups of 1,000 blocks; a request of 1,600 tokens holds 100 and, window and one step being more, 101 of them.
    expect(text).toContain('num_gpu_blocks="2000"');
    expect(text).toContain(`kv_cache_size_tokens="${Math.floor((2000 / 201) * 1600)}"`);
  });

  it("serves a request as long as its context however small the cache", async () => {
    const engine = await startHybrid({ kvTokens: 320 });
    expect(await cachedTokens(engine, ids(1000, 310), 10)).toBe(0);
    expect(engine.state()).toMatchObject({ finished: 1, blocksUsed: 0 });
  });
});

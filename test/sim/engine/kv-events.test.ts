import { afterEach, describe, expect, it } from "vitest";
import { startEngine } from "../../../src/sim/engine/engine.ts";
import type { EngineOptionsInput } from "../../../src/sim/engine/engine-options.ts";
import type { SimulatedEngine } from "../../../src/sim/engine/simulated-engine.ts";
import { generate, until } from "./engine-client.ts";
import { askReplay, contentAfter, eventsOfPayload, KvListener } from "./kv-listener.ts";

const open: { close(): unknown }[] = [];

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function startWithListener(options: EngineOptionsInput = {}): Promise<[SimulatedEngine, KvListener]> {
  const engine = await startEngine({ timeScale: 50, maxModelLen: 1600, ...options });
  const listener = new KvListener(engine.kvEvents);
  open.push(engine, listener);
  await subscribed(engine, listener);
  return [engine, listener];
}

/**
 * A subscription takes effect some time after it is made: clears the empty cache of a new engine until a batch is
 * heard, then waits for the last one.
 */
async function subscribed(engine: SimulatedEngine, listener: KvListener): Promise<void> {
  const before = listener.batches.length;
  let published = 0;
  for (; listener.batches.length === before; published += 1) {
    await engine.setFault({ kind: "clear" });
    await new Promise(setImmediate);
  }
  await listener.heard(published - 1);
}

function ask(engine: SimulatedEngine, text: string, more: object = {}): Promise<unknown> {
  return generate(`${engine.url}/v1/completions`, { prompt: text, max_tokens: 20, ...more });
}

function lastSequence(listener: KvListener): number {
  return Number(listener.batches.at(-1)?.sequence);
}

describe.each(["array", "map"] as const)("KV events in %s form", (eventEncoding) => {
  it("tell exactly what the cache holds, evictions included", async () => {
    const [engine, listener] = await startWithListener({ eventEncoding, kvTokens: 1600 });
    for (let round = 0; round < 12; round += 1) await ask(engine, `Round ${round % 8}. `.repeat(60 + round));
    await until(() => {
      const heard = contentAfter(listener.batches);
      const held = engine.cachedHashes();
      return heard.size === held.size && [...held].every(([hash, copies]) => heard.get(hash) === copies);
    });
    const types = new Set(listener.batches.flatMap(({ payload }) => eventsOfPayload(payload).map(({ type }) => type)));
    expect(types).toEqual(new Set(["AllBlocksCleared", "BlockStored", "BlockRemoved"]));
  });

  it("carry the tokens of the prompt and of the answer, linked by parents", async () => {
    const [engine, listener] = await startWithListener({ eventEncoding });
    const prompt = Array.from({ length: 40 }, (_, index) => 1000 + index);
    await generate(`${engine.url}/v1/completions`, { prompt, max_tokens: 30 });
    const stored = (): ReturnType<typeof eventsOfPayload> =>
      listener.batches.flatMap(({ payload }) => eventsOfPayload(payload)).filter(({ type }) => type === "BlockStored");
    await until(() => stored().flatMap(({ hashes }) => hashes).length === 4);
    const events = stored();
    expect(events[0]).toMatchObject({ parent: null, tokens: prompt.slice(0, 32) });
    const hashes = events.flatMap((event) => event.hashes);
    expect(events.slice(1).map(({ parent }) => parent)).toEqual([hashes[1], hashes[2]]);
    const tokens = events.flatMap((event) => event.tokens);
    expect(tokens.slice(0, 40)).toEqual(prompt);
    expect(engine.contains(tokens).cachedTokens).toBe(64);
  });

  it("are numbered without gaps, one batch a step", async () => {
    const [engine, listener] = await startWithListener({ eventEncoding });
    const from = lastSequence(listener);
    await ask(engine, "One ".repeat(100));
    await ask(engine, "Two ".repeat(100));
    await listener.heard(from + 2);
    const numbers = listener.batches.map(({ sequence }) => sequence);
    expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0n) + BigInt(index)));
    expect(new Set(listener.batches.map(({ topic }) => topic))).toEqual(new Set([""]));
  });
});

it("announces removals before the store that took their place, in the same batch", async () => {
  const [engine, listener] = await startWithListener({ kvTokens: 160, maxModelLen: 160 });
  await ask(engine, "First ".repeat(100));
  await ask(engine, "Second ".repeat(100));
  await until(() => listener.batches.some(({ payload }) => eventsOfPayload(payload)[0]?.type === "BlockRemoved"));
  const mixed = listener.batches.map(({ payload }) => eventsOfPayload(payload).map(({ type }) => type));
  const evicting = mixed.find((types) => types.includes("BlockRemoved")) ?? [];
  expect(evicting.at(-1)).toBe("BlockStored");
  expect(evicting.indexOf("BlockStored")).toBe(evicting.lastIndexOf("BlockRemoved") + 1);
});

describe("replay", () => {
  async function startWithBatches(options: EngineOptionsInput, count: number): Promise<SimulatedEngine> {
    const engine = await startEngine(options);
    open.push(engine);
    for (let batch = 0; batch < count; batch += 1) await engine.setFault({ kind: "clear" });
    return engine;
  }

  const sequences = (replies: Buffer[][]): (bigint | undefined)[] =>
    replies.map((frames) => frames.at(-2)?.readBigInt64BE());

  it("answers [empty, sequence, payload] and ends with sequence -1 and no payload in the old layout", async () => {
    const engine = await startWithBatches({ eventTopic: "kv-events" }, 3);
    const replies = await askReplay(engine.kvReplay, 0);
    expect(sequences(replies)).toEqual([0n, 1n, 2n, -1n]);
    expect(replies.map((frames) => frames.length)).toEqual([3, 3, 3, 3]);
    expect(replies.map((frames) => frames[0]?.length)).toEqual([0, 0, 0, 0]);
    expect(replies.at(-1)?.at(-1)).toHaveLength(0);
  });

  it("has the topic before the sequence in the new layout, empty in the end marker", async () => {
    const engine = await startWithBatches({ replayLayout: "new", eventTopic: "kv-events" }, 2);
    const replies = await askReplay(engine.kvReplay, 0);
    expect(sequences(replies)).toEqual([0n, 1n, -1n]);
    expect(replies.map((frames) => frames[1]?.toString())).toEqual(["kv-events", "kv-events", ""]);
  });

  it("takes the layout of the engine version that the encoding belongs to", async () => {
    const engine = await startWithBatches({ eventEncoding: "map" }, 1);
    expect((await askReplay(engine.kvReplay, 0)).map((frames) => frames.length)).toEqual([4, 4]);
  });

  it("repeats the very bytes that were published", async () => {
    const [engine, listener] = await startWithListener();
    const from = lastSequence(listener);
    await ask(engine, "Repeat ".repeat(80));
    await listener.heard(from + 1);
    const [reply] = await askReplay(engine.kvReplay, from + 1, 1);
    expect(reply?.at(-1)).toEqual(listener.batches.find(({ sequence }) => sequence === BigInt(from + 1))?.payload);
  });

  it("starts where it was asked to, and is empty beyond the newest batch", async () => {
    const engine = await startWithBatches({}, 5);
    expect(sequences(await askReplay(engine.kvReplay, 3))).toEqual([3n, 4n, -1n]);
    expect(sequences(await askReplay(engine.kvReplay, 99))).toEqual([-1n]);
  });

  it("keeps the newest batches only, with no sign that older ones are gone", async () => {
    const engine = await startWithBatches({ bufferSteps: 4 }, 50);
    expect(sequences(await askReplay(engine.kvReplay, 0))).toEqual([46n, 47n, 48n, 49n, -1n]);
  });

  it("gives a prompt reader thousands of batches", async () => {
    const engine = await startWithBatches({}, 3000);
    expect(sequences(await askReplay(engine.kvReplay, 0, 4000))).toHaveLength(3001);
  });
});

describe("lost batches", () => {
  it("leave a gap that replay fills when they were lost in transit", async () => {
    const [engine, listener] = await startWithListener();
    const from = lastSequence(listener);
    await engine.setFault({ kind: "lose-events", count: 2, how: "in-transit" });
    for (let batch = 0; batch < 3; batch += 1) await engine.setFault({ kind: "clear" });
    await listener.heard(from + 3);
    expect(listener.batches.slice(-2).map(({ sequence }) => Number(sequence))).toEqual([from, from + 3]);
    expect(await askReplay(engine.kvReplay, from)).toHaveLength(5);
  });

  it("leave a gap that nothing fills when they are lost for good", async () => {
    const [engine, listener] = await startWithListener();
    const from = lastSequence(listener);
    await engine.setFault({ kind: "lose-events", count: 2, how: "for-good" });
    for (let batch = 0; batch < 3; batch += 1) await engine.setFault({ kind: "clear" });
    await listener.heard(from + 3);
    expect(await askReplay(engine.kvReplay, from)).toHaveLength(3);
  });
});

describe("a restart", () => {
  it("begins a new epoch on the same endpoints: empty cache, sequence from 0", async () => {
    const [engine, listener] = await startWithListener();
    await ask(engine, "Before ".repeat(80));
    const before = { epoch: engine.epoch, events: engine.kvEvents, replay: engine.kvReplay, url: engine.url };
    await engine.setFault({ kind: "restart" });
    expect(engine.epoch).not.toBe(before.epoch);
    expect([engine.kvEvents, engine.kvReplay, engine.url]).toEqual([before.events, before.replay, before.url]);
    expect(engine.state()).toMatchObject({ blocksCached: 0, epoch: engine.epoch });
    // The subscriber finds the new socket by itself.
    await subscribed(engine, listener);
    const replies = await askReplay(engine.kvReplay, 0);
    expect(replies[0]?.at(-2)?.readBigInt64BE()).toBe(0n);
    await ask(engine, "After ".repeat(80));
    expect(engine.state().blocksCached).toBeGreaterThan(0);
  });
});

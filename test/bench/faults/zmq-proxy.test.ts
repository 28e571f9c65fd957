import { pino } from "pino";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ZmqProxy } from "../../../src/bench/faults/zmq-proxy.ts";
import { createCollectorMetrics } from "../../../src/collector/collector-metrics.ts";
import { KvEventFollower } from "../../../src/collector/kv-events/follower.ts";
import { startEngine } from "../../../src/sim/engine/engine.ts";
import type { EngineOptionsInput } from "../../../src/sim/engine/engine-options.ts";
import type { SimulatedEngine } from "../../../src/sim/engine/simulated-engine.ts";
import { askReplay, KvListener } from "../../sim/engine/kv-listener.ts";

const closing: { close(): unknown }[] = [];

afterEach(async () => {
  for (const one of closing.splice(0).reverse()) await one.close();
});

interface Bench {
  engine: SimulatedEngine;
  proxy: ZmqProxy;
  /** Moves the proxy's clock. */
  passTime(durationMs: number): void;
}

async function startBench(options: EngineOptionsInput = {}): Promise<Bench> {
  const engine = await startEngine({ eventTopic: "kv@pod@m", ...options });
  let nowMs = 0;
  const proxy = await ZmqProxy.start({ events: engine.kvEvents ?? "", replay: engine.kvReplay }, () => nowMs);
  closing.push(engine, proxy);
  return {
    engine,
    proxy,
    passTime: (durationMs) => {
      nowMs += durationMs;
    },
  };
}

/** Publishes batches: each clearing of the cache, empty or not, is one. */
async function publish(engine: SimulatedEngine, count: number): Promise<void> {
  for (let batch = 0; batch < count; batch += 1) await engine.setFault({ kind: "clear" });
}

/** A SUB socket behind the proxy, listening from here on; the number of batches published so far. */
async function listen({ engine, proxy }: Bench): Promise<{ listener: KvListener; published: number }> {
  const listener = new KvListener(proxy.events);
  closing.push(listener);
  let published = 0;
  for (; listener.batches.length === 0; published += 1) {
    await publish(engine, 1);
    await new Promise(setImmediate);
  }
  await listener.heard(published - 1);
  return { listener, published };
}

function sequencesFrom(listener: KvListener, first: number): number[] {
  return listener.batches.map(({ sequence }) => Number(sequence)).filter((sequence) => sequence >= first);
}

describe("ZmqProxy", () => {
  it("hands on every message as it was published", async () => {
    const bench = await startBench();
    const { listener, published } = await listen(bench);
    await publish(bench.engine, 200);
    await listener.heard(published + 199);
    const heard = listener.batches.slice(-200);
    expect(heard.map(({ sequence }) => Number(sequence))).toEqual(
      Array.from({ length: 200 }, (_, index) => published + index),
    );
    const replayed = await askReplay(bench.engine.kvReplay, published);
    expect(heard.map(({ payload }) => payload)).toEqual(replayed.slice(0, -1).map((frames) => frames.at(-1)));
    expect(new Set(heard.map(({ topic }) => topic))).toEqual(new Set(["kv@pod@m"]));
    expect(bench.proxy.counts.dropped).toBe(0);
  });

  it("drops the next so many messages, and no others", async () => {
    const bench = await startBench();
    const { listener, published } = await listen(bench);
    bench.proxy.dropNext(3);
    await publish(bench.engine, 5);
    await listener.heard(published + 4);
    expect(sequencesFrom(listener, published)).toEqual([published + 3, published + 4]);
    expect(bench.proxy.counts.dropped).toBe(3);
  });

  it("drops what comes in a stretch of time", async () => {
    const bench = await startBench();
    const { listener, published } = await listen(bench);
    bench.proxy.dropFor(500);
    await publish(bench.engine, 4);
    await vi.waitFor(() => expect(bench.proxy.counts.dropped).toBe(4));
    bench.passTime(500);
    await publish(bench.engine, 1);
    await listener.heard(published + 4);
    expect(sequencesFrom(listener, published)).toEqual([published + 4]);
  });

  it("lets everything through again when told to", async () => {
    const bench = await startBench();
    const { listener, published } = await listen(bench);
    bench.proxy.dropNext(100);
    bench.proxy.dropFor(100);
    bench.proxy.dropNothing();
    await publish(bench.engine, 2);
    await listener.heard(published + 1);
    expect(sequencesFrom(listener, published)).toEqual([published, published + 1]);
  });

  it.each(["old", "new"] as const)(
    "passes replays through unchanged, also of what it dropped (%s)",
    async (replayLayout) => {
      const bench = await startBench({ replayLayout });
      bench.proxy.dropNext(100);
      await publish(bench.engine, 50);
      const [direct, relayed] = [await askReplay(bench.engine.kvReplay, 7), await askReplay(bench.proxy.replay, 7)];
      expect(relayed).toHaveLength(44);
      expect(relayed).toEqual(direct);
    },
  );

  it("stays in place over a restart of the engine", async () => {
    const bench = await startBench();
    const { listener } = await listen(bench);
    await bench.engine.setFault({ kind: "restart" });
    const before = listener.batches.length;
    let published = 0;
    for (; listener.batches.length === before; published += 1) {
      await publish(bench.engine, 1);
      await new Promise(setImmediate);
    }
    await listener.heard(published - 1);
    expect(await askReplay(bench.proxy.replay, 0)).toEqual(await askReplay(bench.engine.kvReplay, 0));
  });

  it("has no replay where the engine has none", async () => {
    const engine = await startEngine();
    const proxy = await ZmqProxy.start({ events: engine.kvEvents ?? "", replay: null });
    closing.push(engine, proxy);
    expect(proxy.replay).toBeNull();
  });

  it("makes a gap that the collector notices and fills", async () => {
    const { engine, proxy } = await startBench();
    let clears = 0;
    const lost: string[] = [];
    const follower = new KvEventFollower({
      endpoint: proxy.events,
      replayEndpoint: proxy.replay ?? undefined,
      topic: "kv@",
      replaySilenceTimeoutMs: 5000,
      replayTotalTimeoutMs: 10_000,
      onBatch: ({ events }) => {
        clears += events.length;
      },
      onCaughtUp: () => undefined,
      onLostTrack: (cause) => lost.push(cause),
      metrics: createCollectorMetrics(() => ({ pods: {}, indexes: [], translation: {}, tables: {} })),
      log: pino({ level: "silent" }),
    });
    closing.push(follower);
    let published = 0;
    for (; proxy.counts.forwarded === 0 || clears === 0; published += 1) {
      await publish(engine, 1);
      await new Promise(setImmediate);
    }
    proxy.dropNext(3);
    await publish(engine, 3);
    await vi.waitFor(() => expect(proxy.counts.dropped).toBe(3));
    published += 3;
    // The next live message shows the gap; until the subscription is in force there may be none.
    await vi.waitFor(
      async () => {
        published += 1;
        await publish(engine, 1);
        expect(follower.counts.gaps).toBeGreaterThan(0);
      },
      { timeout: 10_000, interval: 20 },
    );
    await vi.waitFor(() => expect(clears).toBe(published), { timeout: 10_000 });
    expect(lost).toEqual([]);
    expect(follower.counts.unfilledGaps).toBe(0);
  });
});

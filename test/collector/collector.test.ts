import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Collector, type CollectorTiming, startCollector } from "../../src/collector/collector.ts";
import type { PodReport, PushMessage } from "../../src/protocol/push-message.ts";
import { removal, TestPublisher } from "./kv-events/test-publisher.ts";
import { CLUSTER_KEY, TestEdge, type TestEdgeOptions } from "./push/test-edge.ts";
import { actAsVllm, TestEngine } from "./test-engine.ts";

const TIMING: Partial<CollectorTiming> = {
  scrapeEveryMs: 20,
  modelsEveryMs: 20,
  pushEveryMs: 20,
  backoffMinMs: 5,
  backoffMaxMs: 20,
  replaySilenceTimeoutMs: 2000,
};

let folder: string;
let engine: TestEngine;
const closing: { close(): Promise<void> }[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "warmpath-collector-"));
  engine = await TestEngine.start();
  actAsVllm(engine, { startTimeS: 100, running: 2, promptTokens: 50 });
  closing.push(engine);
});

afterEach(async () => {
  for (const one of closing.splice(0).reverse()) await one.close();
  await rm(folder, { recursive: true });
});

async function edgeOf(options: TestEdgeOptions = {}): Promise<TestEdge> {
  const edge = await TestEdge.start(options);
  closing.push(edge);
  return edge;
}

async function publisherOf(...options: Parameters<typeof TestPublisher.start>): Promise<TestPublisher> {
  const publisher = await TestPublisher.start(...options);
  closing.push(publisher);
  return publisher;
}

type Listed = { readonly name: string; readonly engine: TestEngine; readonly publisher?: TestPublisher };

async function list(...endpoints: readonly Listed[]): Promise<void> {
  const lines = endpoints.map(({ name, engine, publisher }) => {
    const events = publisher && `, kvEvents: '${publisher.ports.events}', kvReplay: '${publisher.ports.replay}'`;
    return `  - {name: ${name}, url: '${engine.url}'${events ?? ""}}\n`;
  });
  await writeFile(join(folder, "endpoints.yaml"), lines.length > 0 ? `endpoints:\n${lines.join("")}` : "endpoints: []");
}

async function collect(edgeUrl: string, options: { metricsPort?: number } = {}): Promise<Collector> {
  const collector = await startCollector({
    endpointsFile: join(folder, "endpoints.yaml"),
    edgeUrl,
    cluster: "local",
    source: "node-a",
    clusterKey: CLUSTER_KEY,
    log: pino({ level: "silent" }),
    timing: TIMING,
    ...options,
  });
  closing.push(collector);
  return collector;
}

async function until(check: () => void): Promise<void> {
  await vi.waitFor(check, { timeout: 10_000, interval: 5 });
}

function lastPush(edge: TestEdge): PushMessage | undefined {
  return edge.taken.at(-1);
}

function lastPod(edge: TestEdge): PodReport | undefined {
  return lastPush(edge)?.pods[0];
}

function clearsOf(edge: TestEdge): string[] {
  return edge.taken.flatMap(({ claims }) => claims.map(({ kind, epoch }) => `${kind} ${epoch}`));
}

describe("startCollector", () => {
  it("reports a pod with all it knows", async () => {
    const publisher = await publisherOf();
    await publisher.publish([removal(1), removal(2)]);
    await list({ name: "ns/a", engine, publisher });
    const edge = await edgeOf();
    await collect(edge.url);
    await until(() => expect(lastPod(edge)?.kvEvents?.batches).toBe(1));
    expect(lastPush(edge)).toMatchObject({ model: "org/model", source: "node-a" });
    expect(lastPod(edge)).toEqual({
      name: `ns/a/${engine.port}`,
      epoch: "start-100",
      url: engine.url,
      engine: "vllm",
      engineVersion: "0.23.0",
      state: "ready",
      servedModels: ["org/model", "sql-lora"],
      maxModelLen: 4096,
      capacityTokens: 1600,
      blockTokens: 16,
      sample: { ageMs: expect.any(Number), running: 2, waiting: 0, kvUsage: 0.25, promptTokens: 50 },
      index: { mode: "approximate", reason: "no_hash_secret" },
      kvEvents: {
        batches: 1,
        blocksStored: 0,
        blocksRemoved: 2,
        clears: 0,
        skipped: 0,
        malformed: 0,
        gaps: 0,
        unfilledGaps: 0,
      },
    });
  });

  it("measures the age of a sample when it is sent", async () => {
    await list({ name: "ns/a", engine });
    const edge = await edgeOf();
    await collect(edge.url);
    await until(() => expect(lastPod(edge)?.state).toBe("ready"));
    expect(lastPod(edge)?.kvEvents).toBeUndefined();
    engine.unreachable = true;
    await until(() => expect(lastPod(edge)?.sample?.ageMs).toBeGreaterThan(100));
  });

  it("takes a pod out that stops answering, and brings it back under a new epoch when it restarted", async () => {
    await list({ name: "ns/a", engine });
    const edge = await edgeOf();
    await collect(edge.url);
    await until(() => expect(lastPod(edge)?.state).toBe("ready"));
    engine.unreachable = true;
    await until(() => expect(lastPod(edge)?.state).toBe("unready"));
    expect(lastPod(edge)?.epoch).toBe("start-100");
    actAsVllm(engine, { startTimeS: 200 });
    engine.unreachable = false;
    await until(() => expect(lastPod(edge)).toMatchObject({ state: "ready", epoch: "start-200" }));
    const states = edge.taken.map(({ pods }) => `${pods[0]?.state} ${pods[0]?.epoch}`);
    expect(states).not.toContain("ready start-100 start-200");
    expect([...new Set(states)]).toEqual(["ready start-100", "unready start-100", "ready start-200"]);
  });

  it("follows the endpoints file: what is gone is missing from the push, what is new appears", async () => {
    const other = await TestEngine.start();
    closing.push(other);
    actAsVllm(other, { startTimeS: 300 });
    await list({ name: "ns/a", engine });
    const edge = await edgeOf();
    await collect(edge.url);
    const names = () => lastPush(edge)?.pods.map(({ name }) => name);
    await until(() => expect(names()).toEqual([`ns/a/${engine.port}`]));
    await list({ name: "ns/a", engine }, { name: "ns/b", engine: other });
    await until(() => expect(names()).toEqual([`ns/a/${engine.port}`, `ns/b/${other.port}`]));
    await list({ name: "ns/b", engine: other });
    await until(() => expect(names()).toEqual([`ns/b/${other.port}`]));
  });

  it("tells the edge that the last pod is gone, then says no more", async () => {
    await list({ name: "ns/a", engine });
    const edge = await edgeOf();
    await collect(edge.url);
    await until(() => expect(lastPod(edge)?.state).toBe("ready"));
    await list();
    await until(() => expect(lastPush(edge)?.pods).toEqual([]));
    const said = edge.attempts.length;
    await list({ name: "ns/b", engine });
    await until(() => expect(lastPod(edge)?.name).toBe(`ns/b/${engine.port}`));
    expect(edge.attempts.slice(said).filter(({ pods }) => pods.length === 0)).toEqual([]);
  });

  it("pushes each base model's pods as a feed of its own", async () => {
    const other = await TestEngine.start();
    closing.push(other);
    actAsVllm(other, { startTimeS: 300 });
    other.json("/v1/models", { data: [{ id: "org/other", owned_by: "vllm" }] });
    await list({ name: "ns/a", engine }, { name: "ns/b", engine: other });
    const edge = await edgeOf();
    await collect(edge.url);
    await until(() =>
      expect(new Set(edge.taken.map(({ model }) => model))).toEqual(new Set(["org/model", "org/other"])),
    );
    for (const { model, pods } of edge.taken)
      expect(pods).toMatchObject([{ servedModels: expect.arrayContaining([model]) }]);
  });

  it("moves a pod that serves another model now", async () => {
    await list({ name: "ns/a", engine });
    const edge = await edgeOf();
    await collect(edge.url);
    await until(() => expect(lastPod(edge)?.state).toBe("ready"));
    engine.json("/v1/models", { data: [{ id: "org/other", owned_by: "vllm" }] });
    const last = (model: string) => edge.taken.findLast((push) => push.model === model);
    await until(() => expect(last("org/other")?.pods).toHaveLength(1));
    await until(() => expect(last("org/model")?.pods).toEqual([]));
  });

  it("clears a pod whose engine dropped its cache", async () => {
    const publisher = await publisherOf();
    await list({ name: "ns/a", engine, publisher });
    const edge = await edgeOf();
    await collect(edge.url);
    await until(() => expect(lastPod(edge)?.state).toBe("ready"));
    await publisher.publish([["AllBlocksCleared"]]);
    await until(() => expect(clearsOf(edge)).toEqual(["clear start-100"]));
  });

  it("doubts the claims of a pod whose events were lost for good", async () => {
    const publisher = await publisherOf();
    await publisher.publish([removal(1)]);
    await list({ name: "ns/a", engine, publisher });
    const edge = await edgeOf();
    await collect(edge.url);
    await until(() => expect(lastPod(edge)?.kvEvents?.batches).toBe(1));
    publisher.skipNumber();
    await publisher.publish([removal(2)]);
    await until(() => expect(clearsOf(edge)).toEqual(["doubt start-100"]));
    await until(() => expect(lastPod(edge)?.kvEvents).toMatchObject({ gaps: 1, unfilledGaps: 1 }));
  });

  it("gives a pod one new epoch, with a clear, where its events tell of the restart before its metrics", async () => {
    const before = await TestPublisher.start();
    const { ports } = before;
    await before.publish([removal(1)]);
    await before.publish([removal(2)]);
    await list({ name: "ns/a", engine, publisher: before });
    const edge = await edgeOf();
    await collect(edge.url);
    await until(() => expect(lastPod(edge)).toMatchObject({ epoch: "start-100", kvEvents: { batches: 2 } }));
    engine.unreachable = true;
    await before.close();
    const after = await publisherOf({ ports, bootS: 9000 });
    await after.subscribed();
    await after.publish([removal(3)]);
    await until(() => expect(lastPod(edge)?.epoch).toBe("start-100+1"));
    actAsVllm(engine, { startTimeS: 200, running: 9 });
    engine.unreachable = false;
    await until(() => expect(lastPod(edge)).toMatchObject({ state: "ready", sample: { running: 9 } }));
    expect(lastPod(edge)).toMatchObject({ epoch: "start-100+1", kvEvents: { batches: 1 } });
    expect(clearsOf(edge)).toEqual(["clear start-100+1"]);
  });

  it("gives a pod one new epoch, with a clear, where its metrics tell of the restart before its events", async () => {
    const before = await TestPublisher.start();
    const { ports } = before;
    await before.publish([removal(1)]);
    await before.publish([removal(2)]);
    await list({ name: "ns/a", engine, publisher: before });
    const edge = await edgeOf();
    await collect(edge.url);
    await until(() => expect(lastPod(edge)).toMatchObject({ epoch: "start-100", kvEvents: { batches: 2 } }));
    await before.close();
    actAsVllm(engine, { startTimeS: 200 });
    await until(() => expect(lastPod(edge)?.epoch).toBe("start-200"));
    const after = await publisherOf({ ports, bootS: 9000 });
    await after.publish([removal(3)]);
    await until(() => expect(lastPod(edge)?.kvEvents?.batches).toBe(1));
    expect(lastPod(edge)?.epoch).toBe("start-200");
    expect(clearsOf(edge)).toEqual(["clear start-200"]);
  });

  it("doubts the claims of a pod whose events it cannot translate where the edge asks for a resync, once", async () => {
    const publisher = await publisherOf();
    await list({ name: "ns/a", engine, publisher });
    const edge = await edgeOf({
      treat: ({ sequence }) => ({
        kind: "take",
        resync: sequence === 1 ? [`ns/a/${engine.port}`, "ns/unknown/1"] : [],
      }),
    });
    await collect(edge.url);
    await until(() => expect(edge.taken.length).toBeGreaterThan(4));
    expect(clearsOf(edge)).toEqual(["doubt start-100"]);
  });

  it("doubts them just the same where the edge asks what they sum to", async () => {
    const publisher = await publisherOf();
    await list({ name: "ns/a", engine, publisher });
    const edge = await edgeOf({
      treat: ({ sequence }) => ({
        kind: "take",
        check: sequence === 1 ? [`ns/a/${engine.port}`, "ns/unknown/1"] : [],
      }),
    });
    await collect(edge.url);
    await until(() => expect(edge.taken.length).toBeGreaterThan(4));
    expect(clearsOf(edge)).toEqual(["doubt start-100"]);
  });

  it("loses no clear to lost replies, and sends none twice", async () => {
    const publisher = await publisherOf();
    await list({ name: "ns/a", engine, publisher });
    const edge = await edgeOf({ treat: (_, attempt) => ({ kind: attempt % 2 === 0 ? "lose_reply" : "take" }) });
    await collect(edge.url);
    await until(() => expect(lastPod(edge)?.state).toBe("ready"));
    for (let n = 1; n <= 3; n++) {
      await publisher.publish([["AllBlocksCleared"]]);
      await until(() => expect(clearsOf(edge)).toHaveLength(n));
    }
    const sequences = edge.taken.map(({ sequence }) => sequence);
    expect(sequences).toEqual(sequences.map((_, n) => n + 1));
  });

  it("waits for an edge that is not there yet", async () => {
    await list({ name: "ns/a", engine });
    let closedFor = 5;
    const edge = await edgeOf({
      treat: () => (closedFor-- > 0 ? { kind: "answer", status: 503 } : { kind: "take" }),
    });
    await collect(edge.url);
    await until(() => expect(lastPod(edge)?.state).toBe("ready"));
    expect(lastPush(edge)?.sequence).toBe(1);
  });

  it("says nothing of a pod whose models it never learned", async () => {
    const silent = await TestEngine.start();
    closing.push(silent);
    silent.unreachable = true;
    await list({ name: "ns/silent", engine: silent }, { name: "ns/a", engine });
    const edge = await edgeOf();
    await collect(edge.url);
    await until(() => expect(edge.taken.length).toBeGreaterThan(3));
    expect(new Set(edge.taken.flatMap(({ pods }) => pods.map(({ name }) => name)))).toEqual(
      new Set([`ns/a/${engine.port}`]),
    );
  });

  it("shows its own health", async () => {
    const publisher = await publisherOf();
    await publisher.publish([removal(1)]);
    await list({ name: "ns/a", engine, publisher });
    const edge = await edgeOf();
    const { metricsUrl } = await collect(edge.url, { metricsPort: 0 });
    await until(() => expect(lastPod(edge)?.kvEvents?.batches).toBe(1));
    const text = await (await fetch(metricsUrl ?? "")).text();
    expect(text).toMatch(/^warmpath_collector_pods\{state="ready"\} 1$/m);
    expect(text).toMatch(/^warmpath_collector_pushes_total\{outcome="acknowledged"\} [1-9]/m);
    expect(text).toMatch(/^warmpath_collector_kv_events_total\{kind="block_removed"\} 1$/m);
    expect(text).toMatch(/^warmpath_collector_push_duration_seconds_count [1-9]/m);
  });

  it("refuses to start with a file that is wrong", async () => {
    await writeFile(join(folder, "endpoints.yaml"), "endpoints: [{name: a}]");
    await expect(collect("http://127.0.0.1:1")).rejects.toThrow(/endpoints\[0\]\.name/);
  });
});

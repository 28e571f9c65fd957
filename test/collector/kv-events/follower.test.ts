import { encode } from "@msgpack/msgpack";
import { pino } from "pino";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Publisher, Router } from "zeromq";
import { createCollectorMetrics } from "../../../src/collector/collector-metrics.ts";
import type { KvEventBatch } from "../../../src/collector/kv-events/event.ts";
import type { StreamPosition } from "../../../src/collector/kv-events/event-sequence.ts";
import { KvEventFollower, type LostTrack } from "../../../src/collector/kv-events/follower.ts";
import { type PublisherOptions, removal, TestPublisher } from "./test-publisher.ts";

const closing: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of closing.splice(0).reverse()) await one.close();
});

async function publisherOf(options: PublisherOptions = {}): Promise<TestPublisher> {
  const publisher = await TestPublisher.start(options);
  closing.push(publisher);
  return publisher;
}

/** Events as `"<hash>"` or `"clear"`, and `"lost:<cause>"` where track was lost, in the order they came. */
function follow(options: {
  endpoint: string;
  replayEndpoint?: string;
  topic?: string;
  replaySilenceTimeoutMs?: number;
  resumeFrom?: StreamPosition;
}) {
  const story: string[] = [];
  const caughtUp: string[][] = [];
  const metrics = createCollectorMetrics(() => ({ pods: {}, indexes: [], translation: {}, tables: {} }));
  const follower = new KvEventFollower({
    endpoint: options.endpoint,
    replayEndpoint: options.replayEndpoint,
    topic: options.topic ?? "",
    replaySilenceTimeoutMs: options.replaySilenceTimeoutMs ?? 5000,
    replayTotalTimeoutMs: 10_000,
    resumeFrom: options.resumeFrom,
    onBatch: ({ events }: KvEventBatch) => {
      for (const event of events) {
        story.push(event.kind === "all_blocks_cleared" ? "clear" : event.blockHashes.join("+"));
      }
    },
    onCaughtUp: () => caughtUp.push([...story]),
    onLostTrack: (cause: LostTrack) => story.push(`lost:${cause}`),
    metrics,
    log: pino({ level: "silent" }),
  });
  closing.push(follower);
  return { story, caughtUp, follower, metrics };
}

function followPublisher(publisher: TestPublisher, options: { topic?: string; resumeFrom?: StreamPosition } = {}) {
  return follow({ endpoint: publisher.ports.events, replayEndpoint: publisher.ports.replay, ...options });
}

async function eventually(story: readonly string[], expected: readonly string[]): Promise<void> {
  await vi.waitFor(() => expect(story).toEqual(expected), { timeout: 10_000, interval: 5 });
}

describe("KvEventFollower", () => {
  it("has what was published before it came, then what is published after", async () => {
    const publisher = await publisherOf();
    await publisher.publish([removal(1)]);
    await publisher.publish([removal(2), ["AllBlocksCleared"]]);
    const { story, follower } = followPublisher(publisher);
    await publisher.subscribed();
    await publisher.publish([removal(3)]);
    await eventually(story, ["1", "2", "clear", "3"]);
    expect(publisher.replaysFrom).toEqual([0]);
    expect(follower.counts).toEqual({
      batches: 3,
      blocksStored: 0,
      blocksRemoved: 3,
      clears: 1,
      skipped: 0,
      malformed: 0,
      gaps: 0,
      unfilledGaps: 0,
    });
  });

  it.each(["old", "new"] as const)("fills a gap by replay in the %s reply layout", async (replayLayout) => {
    const publisher = await publisherOf({ replayLayout, topic: "kv@10.0.0.1:8000@org/model" });
    const { story, follower } = followPublisher(publisher, { topic: "kv@" });
    await publisher.subscribed();
    await publisher.publish([removal(1)]);
    await eventually(story, ["1"]);
    await publisher.publish([removal(2)], { lost: true });
    await publisher.publish([removal(3)], { lost: true });
    await publisher.publish([removal(4)]);
    await publisher.publish([removal(5)]);
    await eventually(story, ["1", "2", "3", "4", "5"]);
    expect(follower.counts).toMatchObject({ gaps: 1, unfilledGaps: 0, batches: 5 });
  });

  it("says between the events before and after where a gap could not be filled", async () => {
    const publisher = await publisherOf();
    const { story, follower } = followPublisher(publisher);
    await publisher.subscribed();
    await publisher.publish([removal(1)]);
    await eventually(story, ["1"]);
    publisher.skipNumber();
    await publisher.publish([removal(3)]);
    await eventually(story, ["1", "lost:unfilled_gap", "3"]);
    await publisher.publish([removal(4)]);
    await eventually(story, ["1", "lost:unfilled_gap", "3", "4"]);
    expect(follower.counts).toMatchObject({ gaps: 1, unfilledGaps: 1 });
  });

  it("goes on from the oldest batch that is still buffered", async () => {
    const publisher = await publisherOf({ bufferSteps: 2 });
    for (let n = 0; n < 6; n++) await publisher.publish([removal(n)]);
    const { story, follower } = followPublisher(publisher);
    await eventually(story, ["lost:missing_history", "4", "5"]);
    expect(follower.counts).toMatchObject({ gaps: 1, unfilledGaps: 1 });
  });

  it("says when it has all that was published before it came, also where that is nothing", async () => {
    const publisher = await publisherOf();
    const { caughtUp } = followPublisher(publisher);
    await vi.waitFor(() => expect(caughtUp).toEqual([[]]), { timeout: 10_000, interval: 5 });
    await publisher.publish([removal(1)]);
    const later = followPublisher(publisher);
    await vi.waitFor(() => expect(later.caughtUp).toEqual([["1"]]), { timeout: 10_000, interval: 5 });
  });

  it("goes on from where an earlier start stopped", async () => {
    const publisher = await publisherOf();
    for (let n = 0; n < 6; n++) await publisher.publish([removal(n)]);
    const { story } = followPublisher(publisher, { resumeFrom: { sequence: 3, timeS: 1003 } });
    await eventually(story, ["4", "5"]);
    expect(publisher.replaysFrom).toEqual([3]);
  });

  it.each([
    ["the position has left the buffer", { bufferSteps: 2 }, ["lost:resume_refused", "lost:missing_history", "4", "5"]],
    ["another process answers", { bootS: 5000 }, ["lost:restart", "0", "1", "2", "3", "4", "5"]],
  ])("does not go on where %s", async (_, options, expected) => {
    const publisher = await publisherOf(options);
    for (let n = 0; n < 6; n++) await publisher.publish([removal(n)]);
    const { story } = followPublisher(publisher, { resumeFrom: { sequence: 1, timeS: 1001 } });
    await eventually(story, expected);
  });

  it("does not go on from a position that the publisher has not reached", async () => {
    const publisher = await publisherOf();
    await publisher.publish([removal(0)]);
    const { story } = followPublisher(publisher, { resumeFrom: { sequence: 7, timeS: 1007 } });
    await eventually(story, ["lost:resume_refused", "0"]);
    expect(publisher.replaysFrom).toEqual([7, 0]);
  });

  it("does not go on without a replay", async () => {
    const publisher = await publisherOf();
    const { story } = follow({ endpoint: publisher.ports.events, resumeFrom: { sequence: 0, timeS: 1000 } });
    await publisher.subscribed();
    await publisher.publish([removal(0)]);
    await eventually(story, ["lost:resume_refused", "0"]);
  });

  it("takes a long replay to its end", async () => {
    const publisher = await publisherOf();
    for (let n = 0; n < 4000; n++) await publisher.publish([removal(n)]);
    const { story } = followPublisher(publisher);
    await vi.waitFor(() => expect(story).toHaveLength(4000), { timeout: 15_000 });
    expect(story).toEqual(Array.from({ length: 4000 }, (_, n) => String(n)));
  });

  it("does without a replay that never answers", async () => {
    const publisher = await publisherOf();
    const deaf = new Publisher();
    await deaf.bind("tcp://127.0.0.1:*");
    closing.push({ close: async () => deaf.close() });
    const { story } = follow({
      endpoint: publisher.ports.events,
      replayEndpoint: deaf.lastEndpoint ?? "",
      replaySilenceTimeoutMs: 100,
    });
    await publisher.subscribed();
    await publisher.publish([removal(1)]);
    await publisher.publish([removal(2)], { lost: true });
    await publisher.publish([removal(3)]);
    await eventually(story, ["1", "lost:unfilled_gap", "3"]);
  });

  it("tells a restart by the sequence that begins anew, and counts from there", async () => {
    const before = await TestPublisher.start();
    const { ports } = before;
    const { story, follower } = followPublisher(before);
    await before.subscribed();
    for (let n = 1; n <= 3; n++) await before.publish([removal(n)]);
    await eventually(story, ["1", "2", "3"]);
    await before.close();
    const after = await publisherOf({ ports, bootS: 9000 });
    await after.subscribed();
    await after.publish([removal(7)]);
    await after.publish([removal(8)]);
    await eventually(story, ["1", "2", "3", "lost:restart", "7", "8"]);
    expect(follower.counts).toMatchObject({ batches: 2, gaps: 0 });
  });

  it("tells a restart it slept through, by what the replay answers", async () => {
    const before = await TestPublisher.start();
    const { ports } = before;
    const { story } = followPublisher(before);
    await before.subscribed();
    await before.publish([removal(1)]);
    await before.publish([removal(2)]);
    await eventually(story, ["1", "2"]);
    await before.close();
    const after = await publisherOf({ ports, bootS: 9000 });
    for (let n = 10; n < 14; n++) await after.publish([removal(n)], { lost: true });
    await after.subscribed();
    await after.publish([removal(14)]);
    await eventually(story, ["1", "2", "lost:restart", "10", "11", "12", "13", "14"]);
  });

  it("begins anew when told that the engine restarted", async () => {
    const publisher = await publisherOf();
    const { story, follower } = followPublisher(publisher);
    await publisher.subscribed();
    await publisher.publish([removal(1)]);
    await eventually(story, ["1"]);
    follower.reset();
    await eventually(story, ["1", "1"]);
    expect(follower.counts).toMatchObject({ batches: 1 });
  });

  it("goes on after a batch it cannot read, and says that something is missing", async () => {
    const publisher = await publisherOf();
    const { story, follower } = followPublisher(publisher);
    await publisher.subscribed();
    await publisher.publish([removal(1)]);
    await publisher.publishPayload(Uint8Array.of(0xc1));
    await publisher.publish([["Unheard"], removal(3)]);
    await publisher.publish([["BlockRemoved", "unreadable"]]);
    await eventually(story, ["1", "lost:undecodable_batch", "3", "lost:undecodable_batch"]);
    expect(follower.counts).toMatchObject({ malformed: 1, skipped: 2, batches: 3, gaps: 0 });
  });

  it("counts what it cannot read, by kind", async () => {
    const publisher = await publisherOf();
    const { story, metrics } = follow({ endpoint: publisher.ports.events });
    await publisher.subscribed();
    await publisher.publishPayload(Uint8Array.of(0xc1));
    await publisher.publishPayload(encode("no batch"));
    await publisher.publish([["Unheard"], ["BlockRemoved", "unreadable"], removal(1)]);
    await vi.waitFor(() => expect(story).toContain("1"), { timeout: 10_000, interval: 5 });
    const { values } = await metrics.decodeErrors.get();
    const kinds = Object.fromEntries(values.map(({ labels, value }) => [labels.reason, value]));
    expect(kinds).toEqual({ not_msgpack: 1, not_a_batch: 1, unknown_tag: 1, bad_shape: 1 });
  });

  it("goes through a replay with replies that are neither batch nor end, and counts them", async () => {
    const deaf = new Publisher();
    const router = new Router({ linger: 0 });
    closing.push({
      async close() {
        deaf.close();
        router.close();
      },
    });
    await deaf.bind("tcp://127.0.0.1:*");
    await router.bind("tcp://127.0.0.1:*");
    const { story, metrics } = follow({
      endpoint: deaf.lastEndpoint ?? "",
      replayEndpoint: router.lastEndpoint ?? "",
    });
    const [identity = Buffer.alloc(0)] = await router.receive();
    await router.send([identity, "", "three bytes", "payload"]);
    await router.send([identity, "", Buffer.alloc(8), encode([1, [removal(7)], 0])]);
    await router.send([identity, "", Buffer.alloc(8, 0xff), ""]);
    await eventually(story, ["7"]);
    const { values } = await metrics.decodeErrors.get();
    expect(values).toEqual([{ labels: { reason: "replay_reply" }, value: 1 }]);
  });

  it("binds for publishers that connect out", async () => {
    const probe = new Publisher();
    await probe.bind("tcp://127.0.0.1:*");
    const address = probe.lastEndpoint ?? "";
    await probe.unbind(address);
    probe.close();
    const { story } = follow({ endpoint: `bind:${address}` });
    const publisher = await publisherOf({ connectTo: address });
    await publisher.subscribed();
    await publisher.publish([removal(1)]);
    await eventually(story, ["1"]);
  });
});

import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { pino } from "pino";
import { beforeAll, expect, it, vi } from "vitest";
import { XPublisher } from "zeromq";
import { createCollectorMetrics } from "../../src/collector/collector-metrics.ts";
import { KvEventFollower } from "../../src/collector/kv-events/follower.ts";
import { ClaimSpool } from "../../src/collector/push/claim-spool.ts";
import { PodTranslation } from "../../src/collector/translate/pod-translation.ts";
import type { SegmentText } from "../../src/collector/translate/segment-run.ts";
import { noTranslationCounts } from "../../src/collector/translate/translation-counts.ts";
import { encodePush } from "../../src/protocol/push-codec.ts";
import { pushMessageSchema } from "../../src/protocol/push-message.ts";
import { type Random, seededRandom } from "../../src/routing/random.ts";
import { mutatedBytes, mutatedValue } from "../protocol/mutations.ts";
import { framesOf, readRecording, recordings } from "./kv-events/recordings.ts";
import { inventedVocabulary, MODEL, SECRET, segmentText } from "./translate/text-of-tokens.ts";

type Frames = readonly [topic: Buffer, sequence: Buffer, payload: Buffer];

const FRAMES = 100_000;
/** Messages of one engine, and of one way to be wrong. */
const PHASE = 1_000;
/** Share of messages whose number is not the next one. */
const BROKEN_NUMBERS = 0.02;
const LIMITS = { mostBlocks: 1_000, mostWaiting: 40 };
const ROOM = 64 * 1024;

let text: SegmentText;
beforeAll(async () => {
  text = await segmentText(32, inventedVocabulary(160_000));
});

/** By engine. */
const recorded = recordings.map(({ file }) =>
  readRecording(file)
    .filter(({ channel }) => channel === "pub")
    .map((message) => framesOf(message) as unknown as Frames)
    .filter(([, , payload]) => payload.byteLength < 8_000),
);

function pick<Value>(values: readonly Value[], random: Random): Value {
  return values[Math.floor(random() * values.length)] as Value;
}

/** Mostly the next number, so that what comes is looked at and not only dropped. */
function numbered(sequence: number, random: Random): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(sequence));
  if (random() >= BROKEN_NUMBERS) return bytes;
  return random() < 0.5 ? bytes.subarray(0, Math.floor(8 * random())) : mutatedBytes(bytes, bytes, random);
}

/** Readable messages that say what is wrong, among some that do not. */
function misleadingFrames(engine: readonly Frames[], sequence: number, random: Random): Uint8Array[] {
  const [topic, , payload] = pick(engine, random);
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(BigInt(sequence));
  return [topic, number, random() < 0.6 ? payload : mutatedValue(payload, random)];
}

function brokenFrames(engine: readonly Frames[], sequence: number, random: Random): Uint8Array[] {
  const [topic, , payload] = pick(engine, random);
  const changed = mutatedBytes(payload, pick(pick(recorded, random), random)[2], random);
  const frames: Uint8Array[] = [topic, numbered(sequence, random), changed];
  const kind = random();
  if (kind < 0.005) frames.pop();
  else if (kind < 0.01) frames.push(topic);
  return frames;
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** What a collection frees outside the heap is given back a moment after it. */
async function liveMb(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    collectGarbage();
    await setImmediate();
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 2 ** 20;
}

it("takes 100,000 broken KV-event messages without throwing, with flat memory, each one counted", async () => {
  const random = seededRandom(20_260_824);
  const counts = noTranslationCounts();
  const metrics = createCollectorMetrics(() => ({ pods: {}, indexes: [], translation: {}, tables: {} }));
  const socketErrors: string[] = [];
  const log = pino({ level: "warn" }, { write: (line) => void (line.includes("socket") && socketErrors.push(line)) });
  const spool = new ClaimSpool(1024 * 1024);
  const pod = { pod: "ns/a/1", epoch: "e", text, secret: SECRET, baseModel: MODEL, limits: LIMITS, counts };
  const newTranslation = () => new PodTranslation({ ...pod, check: undefined, emit: (change) => spool.add(change) });
  let translation = newTranslation();
  const faults: unknown[] = [];
  const guarded = (work: () => void) => {
    try {
      work();
    } catch (error) {
      faults.push(error);
    }
  };
  const publisher = new XPublisher({ linger: 0, sendHighWaterMark: 0 });
  await publisher.bind("tcp://127.0.0.1:*");
  const follower = new KvEventFollower({
    endpoint: publisher.lastEndpoint ?? "",
    replayEndpoint: undefined,
    topic: "",
    replaySilenceTimeoutMs: 1000,
    replayTotalTimeoutMs: 1000,
    onBatch: (batch, position) => guarded(() => translation.take(batch, position)),
    onCaughtUp: () => guarded(() => translation.caughtUp()),
    onLostTrack: (cause) =>
      guarded(() => (cause === "missing_history" ? translation.missHistory() : translation.doubt("lost"))),
    metrics,
    log,
  });
  await publisher.receive();

  const seen = async (): Promise<Record<string, number>> => {
    const sums: Record<string, number> = {};
    for (const { values } of [await metrics.batches.get(), await metrics.droppedBatches.get()]) {
      sums.taken = (sums.taken ?? 0) + (values[0]?.value ?? 0);
    }
    for (const { labels, value } of (await metrics.decodeErrors.get()).values) sums[String(labels.reason)] = value;
    return sums;
  };
  const arrived = async (sent: number): Promise<void> => {
    const { taken = 0, not_three_frames = 0, not_msgpack = 0, not_a_batch = 0 } = await seen();
    expect(taken + not_three_frames + not_msgpack + not_a_batch).toBeGreaterThanOrEqual(sent);
  };

  let sequence = 0;
  let engine = pick(recorded, random);
  let pushes = 0;
  let most = 0;
  const afterThirds: number[] = [];
  for (let sent = 1; sent <= FRAMES; sent++) {
    // In turns: what cannot be read clears the tables, and would leave none of them to be misled.
    const changed = Math.floor(sent / PHASE) % 2 === 0 ? brokenFrames : misleadingFrames;
    await publisher.send(changed(engine, sequence++, random));
    if (sent % PHASE !== 0) continue;
    await vi.waitFor(() => arrived(sent), { timeout: 10_000, interval: 2 });
    guarded(() => translation.collect(ROOM));
    const claims = spool.take(ROOM);
    const message = {
      schema: 1,
      model: MODEL,
      source: "s",
      instance: "12345678",
      sequence: ++pushes,
      pods: [],
      claims,
    };
    expect((await encodePush(pushMessageSchema.parse(message))).byteLength).toBeGreaterThan(0);
    spool.arrived(claims);
    most = Math.max(most, translation.sizes.bytes);
    // A number far ahead is believed: without a new beginning all that follow would be late.
    follower.reset();
    translation = newTranslation();
    engine = pick(recorded, random);
    sequence = 0;
    if (sent % 33_000 === 0) afterThirds.push(await liveMb());
  }

  expect(faults).toEqual([]);
  expect(socketErrors).toEqual([]);
  const kinds = await seen();
  for (const kind of ["not_three_frames", "not_msgpack", "not_a_batch", "bad_shape", "unknown_tag"]) {
    expect(kinds[kind], kind).toBeGreaterThan(100);
  }
  for (const kind of ["stored", "removed", "waiting", "opaque", "conflicts", "misfits"] as const) {
    expect(counts[kind], kind).toBeGreaterThan(0);
  }
  const [first = 0, second = 0, third = 0] = afterThirds;
  expect(second - first, afterThirds.join()).toBeLessThan(8);
  expect(third - second, afterThirds.join()).toBeLessThan(8);
  expect(most).toBeLessThan(300 * 2 ** 20);
  await follower.close();
  publisher.close();
}, 60_000);

import { setTimeout as delay } from "node:timers/promises";
import { progress } from "../report/progress.ts";
import { waitUntil } from "../stack/wait-until.ts";
import { type CollectorRow, collectorRow, type Spell } from "./collector-row.ts";
import type { Conversations } from "./conversation-tokens.ts";
import { EngineStandIn } from "./engine-stand-in.ts";
import { publishAhead, publishPaced } from "./event-feed.ts";
import { type PodEvents, payloadBytes, planEvents, storedBlocks } from "./event-plan.ts";
import { type CollectorCounts, type CollectorStart, MeasuredCollector } from "./measured-collector.ts";
import type { Publication } from "./played-engine.ts";
import { PushSink } from "./push-sink.ts";

const MODEL = "qwen3-8b";
/** Blocks of all pods together that may wait between publishers and collector. */
const WINDOW_BLOCKS = 30_000;
/** Part of the tables that the steady spell replaces. */
const TURNOVER = 0.75;
const READY_MS = 60_000;
const QUIET_MS = 120_000;
/** Checks come in spells much closer together. */
const LULL_MS = 500;

export type CollectorBenchOptions = {
  readonly pods: number;
  readonly blocksPerPod: number;
  readonly pacedSeconds: number;
  /** New tokens a second of each pod, in the paced spell. */
  readonly pacedTokensPerS: number;
  readonly conversations: Conversations["conversations"];
  readonly start: CollectorStart;
  readonly folder: string;
  readonly seed: number;
  readonly signal: AbortSignal;
};

export type CollectorBenchResult = { readonly row: CollectorRow; readonly broken: readonly string[] };

type Followed = { readonly engine: EngineStandIn; readonly events: PodEvents };

/** Feeds the collector, in a process of its own, with the events of so many pods, and measures what it uses. */
export async function runCollectorBench(options: CollectorBenchOptions): Promise<CollectorBenchResult> {
  const { pods, blocksPerPod, pacedSeconds, pacedTokensPerS, seed, folder, start, signal } = options;
  progress(`making the events of ${pods} pods ...`);
  const plans = await planEvents({
    conversations: options.conversations,
    pods,
    blocksPerPod,
    steadyBlocks: TURNOVER * blocksPerPod,
    pacedBlocks: (pacedSeconds * pacedTokensPerS) / 16,
    seed,
    signal,
  });
  const stops: (() => Promise<void>)[] = [];
  try {
    const sink = await PushSink.start();
    stops.push(() => sink.close());
    const followed: Followed[] = [];
    for (const [pod, events] of plans.entries()) {
      const engine = await EngineStandIn.start(`pod-${pod}`, MODEL, blocksPerPod);
      stops.push(() => engine.close());
      followed.push({ engine, events });
    }
    const engines = followed.map(({ engine }) => engine);
    const collector = await MeasuredCollector.start({
      folder,
      model: MODEL,
      engines,
      edgeUrl: sink.url,
      start,
      signal,
    });
    stops.push(() => collector.stop());
    return await measure(options, { collector, sink, followed });
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

type Bench = { readonly collector: MeasuredCollector; readonly sink: PushSink; readonly followed: readonly Followed[] };

async function measure(options: CollectorBenchOptions, bench: Bench): Promise<CollectorBenchResult> {
  const { collector, sink, followed } = bench;
  const { pods, blocksPerPod, pacedTokensPerS, signal } = options;
  await within(READY_MS, "the collector to subscribe", Promise.all(followed.map(({ engine }) => engine.subscribed())));
  const ahead = (publications: readonly Publication[], engine: EngineStandIn) =>
    publishAhead(engine, publications, WINDOW_BLOCKS / pods, () => takenBlocks(sink, engine), signal);

  progress("filling the tables ...");
  const { rssMb: startRssMb } = await collector.usage();
  const fill = await spell(bench, "fill", ahead, signal);
  progress("replacing blocks, as fast as they are taken ...");
  const steady = await spell(bench, "steady", ahead, signal);
  progress(`replacing blocks, ${pacedTokensPerS} tokens/s a pod ...`);
  const paced = await spell(
    bench,
    "paced",
    (publications, engine) => publishPaced(engine, publications, pacedTokensPerS, signal),
    signal,
  );
  const { peakRssMb } = await collector.usage();
  const counts = await collector.counts();
  const row = collectorRow({ pods, blocksPerPod, pacedTokensPerS, startRssMb, peakRssMb, counts, fill, steady, paced });
  return { row, broken: brokenInvariants(bench, counts) };
}

/** Plays one part of every pod's events and waits until the collector has taken and pushed all of it. */
async function spell(
  { collector, sink, followed }: Bench,
  part: "fill" | "steady" | "paced",
  publish: (publications: readonly Publication[], engine: EngineStandIn) => Promise<void>,
  signal: AbortSignal,
): Promise<Spell> {
  const publications = followed.flatMap(({ events }) => events[part]);
  const [usageBefore, countsBefore, uplinkBefore] = [await collector.usage(), await collector.counts(), sink.totals];
  const startMs = performance.now();
  const batchesBefore = new Map(followed.map(({ engine }) => [engine, takenBatches(sink, engine)]));
  await Promise.all(followed.map(({ events, engine }) => publish(events[part], engine)));
  const isTaken = (): boolean =>
    followed.every(
      ({ events, engine }) => takenBatches(sink, engine) - (batchesBefore.get(engine) ?? 0) >= events[part].length,
    );
  const taken = await waitUntil(async () => isTaken() || collector.end !== undefined, QUIET_MS, signal);
  const wallS = (performance.now() - startMs) / 1000;
  const usage = await collector.usage();
  if (!taken || collector.end !== undefined)
    throw new Error(`the collector did not take all events: it ${collector.end ?? "is behind"}`);
  const counts = await checkedAll(collector, signal);
  return {
    blocks: storedBlocks(publications),
    messages: publications.length,
    rawBytes: payloadBytes(publications),
    uplinkBytes: sink.totals.bytes - uplinkBefore.bytes,
    wallS,
    cpuS: (usage.cpuMs - usageBefore.cpuMs) / 1000,
    rssMb: usage.rssMb,
    checkable: counts.checkable - countsBefore.checkable,
    checked: counts.checked - countsBefore.checked,
  };
}

/** What it has counted once no check of what models wrote is waiting any more. */
async function checkedAll(collector: MeasuredCollector, signal: AbortSignal): Promise<CollectorCounts> {
  for (let before = await collector.counts(); ; ) {
    await delay(LULL_MS, undefined, { signal });
    const counts = await collector.counts();
    if (counts.checked === before.checked) return counts;
    before = counts;
  }
}

function brokenInvariants({ collector, sink, followed }: Bench, counts: CollectorCounts): string[] {
  const broken = sink.faults.map((fault) => `a push could not be read: ${fault}`);
  if (collector.end !== undefined) broken.push(`the collector ${collector.end}`);
  if (counts.spoolOverflows > 0) broken.push(`claims were given up for a resync ${counts.spoolOverflows} times`);
  for (const { engine, events } of followed) {
    const counted = sink.countsOf(podName(engine));
    const published = storedBlocks([...events.fill, ...events.steady, ...events.paced]);
    if (counted?.blocksStored !== published) {
      broken.push(`${engine.name}: ${published} blocks published, ${counted?.blocksStored} taken`);
    }
    if ((counted?.gaps ?? 0) + (counted?.malformed ?? 0) + (counted?.skipped ?? 0) > 0) {
      broken.push(`${engine.name}: ${JSON.stringify(counted)}`);
    }
  }
  const cached = followed.reduce((sum, { events }) => sum + events.cachedBlocks, 0);
  if (counts.tableBlocks < cached)
    broken.push(`${cached} blocks in the engines' caches, ${counts.tableBlocks} in the tables`);
  return broken;
}

function takenBlocks(sink: PushSink, engine: EngineStandIn): number {
  return sink.countsOf(podName(engine))?.blocksStored ?? 0;
}

function takenBatches(sink: PushSink, engine: EngineStandIn): number {
  return sink.countsOf(podName(engine))?.batches ?? 0;
}

function podName({ name, url }: EngineStandIn): string {
  return `default/${name}/${new URL(url).port}`;
}

async function within<Result>(ms: number, what: string, work: Promise<Result>): Promise<Result> {
  const timeout = AbortSignal.timeout(ms);
  const late = new Promise<never>((_, reject) => {
    timeout.addEventListener("abort", () => reject(new Error(`waited ${ms / 1000} s for ${what}`)), { once: true });
  });
  return Promise.race([work, late]);
}

import { beforeAll, describe, expect, it } from "vitest";
import { decodeKvEventBatch } from "../../../src/collector/kv-events/decode.ts";
import { PodTranslation } from "../../../src/collector/translate/pod-translation.ts";
import type { SegmentText } from "../../../src/collector/translate/segment-run.ts";
import { noTranslationCounts } from "../../../src/collector/translate/translation-counts.ts";
import { payloadOf, readRecording, recordings } from "../kv-events/recordings.ts";
import { EdgeModel } from "./edge-model.ts";
import { RecordedCache } from "./recorded-cache.ts";
import { inventedVocabulary, MODEL, SECRET, segmentText } from "./text-of-tokens.ts";

let text: SegmentText;

beforeAll(async () => {
  text = await segmentText(32, inventedVocabulary(160_000));
});

function play(file: string) {
  const edge = new EdgeModel();
  const cache = new RecordedCache(text);
  const counts = noTranslationCounts();
  const limits = { mostBlocks: 10_000, mostWaiting: 1000 };
  const options = {
    pod: "ns/a/1",
    epoch: "e",
    text,
    secret: SECRET,
    baseModel: MODEL,
    limits,
    counts,
    check: undefined,
  };
  const translation = new PodTranslation({ ...options, emit: (change) => edge.apply([change]) });
  const steps = readRecording(file)
    .filter(({ channel }) => channel === "pub")
    .map((recorded) => {
      const decoded = decodeKvEventBatch(payloadOf(recorded));
      // Every rank of these recordings is a publisher, and so a pod, of its own.
      if (decoded.ok)
        translation.take({ ...decoded.batch, dataParallelRank: 0 }, { sequence: recorded.seq ?? 0, timeS: 1 });
      cache.take(recorded);
      translation.collect(1e6);
      const claimed = new Map([...edge.claims].map(([name, { tier }]) => [name, tier]));
      return { note: recorded.note, claimed, truth: cache.claims() };
    });
  return { steps, translation, edge };
}

const files = recordings.map(({ file }) => file);
const isOldSglang = (file: string) => /^sglang-0\.(4|5\.[0-7]\.)/.test(file);

describe("recorded event streams", () => {
  it.each(files.filter((file) => !isOldSglang(file) && file !== "reconstructed.jsonl"))(
    "of %s become exactly the claims that hold",
    (file) => {
      const { steps } = play(file);
      for (const { note, claimed, truth } of steps) expect(claimed, note).toEqual(truth);
      expect(Math.max(...steps.map(({ claimed }) => claimed.size))).toBeGreaterThan(0);
    },
  );

  it.each(files.filter(isOldSglang))("of %s, whose hashes are not chained, end without any claim", (file) => {
    expect(play(file).edge.claims.size).toBe(0);
  });

  it("show that hashes are not chained where the same page comes behind different ones", () => {
    expect(play("sglang-0.5.3.jsonl").translation.evidence.hashesUnchained).toBe(true);
  });

  it("claim nothing of SGLang's salted blocks, which have the hashes of unsalted ones", () => {
    const { translation } = play("reconstructed.jsonl");
    expect(translation.evidence.saltsLeftOut).toBe(true);
  });

  it.each(files.filter((file) => file.includes("hybrid")))("of %s show the other kind of cache group", (file) => {
    expect(play(file).translation.evidence.otherKinds).toEqual(["sliding_window"]);
  });

  it.each(files.filter((file) => file.startsWith("vllm-")))(
    "of %s show whether salts and images can be told from plain text",
    (file) => {
      const [, major, minor] = /^vllm-(main|0)\.?(\d+)?/.exec(file) ?? [];
      const tellsKeys = major === "main" || Number(minor) >= 19;
      expect(play(file).translation.evidence.extraKeysMissing).toBe(!tellsKeys);
    },
  );
});

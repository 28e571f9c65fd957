import { describe, expect, it } from "vitest";
import { createBlockHasher } from "../../../src/sim/engine/block-hash.ts";
import { BlockPool } from "../../../src/sim/engine/block-pool.ts";
import { KvCache } from "../../../src/sim/engine/kv-cache.ts";
import { encodeKvEventBatch, type KvEventEncoding } from "../../../src/sim/engine/kv-event-encoder.ts";
import { type CacheNamespace, Sequence } from "../../../src/sim/engine/sequence.ts";
import { SlidingWindowGroup, type WindowRetention } from "../../../src/sim/engine/sliding-window-group.ts";
import { readFixtureLines } from "./fixture-files.ts";

interface RecordedRow {
  readonly channel: string;
  readonly payload_base64: string;
  readonly decoded: {
    readonly ts: number;
    readonly events: { readonly type: string; readonly token_ids?: number[] }[];
  };
}

interface Recording {
  readonly file: string;
  readonly encoding: KvEventEncoding;
  readonly retention: WindowRetention;
  readonly reusesUncachedFirst: boolean;
  /** Blocks of its pool: the recording does not tell, but no other number gives its evictions. */
  readonly poolBlocks: number;
}

const PLAIN: CacheNamespace = { adapter: null, cacheSalt: null };
/** Tokens of a block that does not fill: no event tells them. */
const TAIL = [7, 7, 7, 7, 7];

function tokensOf(row: RecordedRow | undefined): number[] {
  return row?.decoded.events.find(({ type }) => type === "BlockStored")?.token_ids ?? [];
}

/** Plays what the recorded engine was asked to do, up to its reset, and gives the batch of each step. */
function play({ encoding, retention, reusesUncachedFirst, poolBlocks }: Recording, rows: RecordedRow[]): string[] {
  const pool = new BlockPool(poolBlocks, { reusesUncachedFirst });
  const cache = new KvCache(pool, createBlockHasher("sha256_cbor", "0"), 16, new SlidingWindowGroup(32, 16, retention));
  const batches: string[] = [];
  const publish = (): void => {
    const unixS = rows[batches.length]?.decoded.ts ?? 0;
    batches.push(encodeKvEventBatch(pool.takeEvents(), unixS, encoding).toString("base64"));
  };
  const start = (prompt: number[], answer: number[] = [], namespace = PLAIN): Sequence => {
    const sequence = new Sequence(Uint32Array.from(prompt), Uint32Array.from(answer), namespace);
    const hit = cache.findHit(sequence);
    expect(cache.blocksToAdmit(hit, prompt.length)).toBeLessThanOrEqual(pool.freeCount);
    // The recording drove the cache without the scheduler, which is what notes shared prefixes.
    cache.admit(sequence, { ...hit, sharedTokens: hit.tokens });
    cache.extend(sequence, prompt.length);
    sequence.computedLength = prompt.length;
    publish();
    return sequence;
  };
  const [firstPrompt = [], decoded = [], secondStored = [], ...others] = rows.slice(0, 8).map(tokensOf);
  const first = start([...firstPrompt, ...decoded.slice(0, 5)], decoded.slice(5));
  cache.releaseOutgrown(first);
  cache.extend(first, 64);
  first.computedLength = 64;
  publish();
  const shared = secondStored.length === 48 ? [] : firstPrompt.slice(0, 32);
  const second = start([...shared, ...secondStored, ...TAIL]);
  cache.release(first);
  cache.release(second);
  const [adapted = [], salted = [], image = [], long = [], short = []] = others;
  const namespaces = [
    { adapter: { id: 1, name: "sql-lora" }, cacheSalt: null },
    { adapter: null, cacheSalt: "tenant-a" },
  ];
  cache.release(start([...adapted, ...TAIL], [], namespaces[0]));
  cache.release(start([...salted, ...TAIL], [], namespaces[1]));
  cache.release(start(image));
  cache.release(start([...long, ...TAIL]));
  cache.release(start([...short, ...TAIL]));
  return batches;
}

describe.each<Recording>([
  {
    file: "vllm-0.23.0-hybrid",
    encoding: "array",
    retention: "every-block",
    reusesUncachedFirst: false,
    poolBlocks: 62,
  },
  {
    file: "vllm-main-20260817-hybrid",
    encoding: "map",
    retention: "replay-boundary",
    reusesUncachedFirst: true,
    poolBlocks: 59,
  },
])("a hybrid cache asked for what $file was asked for", (recording) => {
  const rows = readFixtureLines<RecordedRow>(`kv-events/${recording.file}.jsonl`).filter(
    ({ channel }) => channel === "pub",
  );
  const batches = play(recording, rows);

  it.each([
    [0, "a prompt"],
    [1, "a decoded block"],
    [2, "a prompt that shares a prefix"],
    [3, "an adapter's prompt"],
    [4, "a salted prompt"],
    [6, "a long prompt and its evictions"],
    [7, "a short prompt and its evictions"],
  ])("publishes the same bytes for batch %i, %s", (index) => {
    expect(batches[index]).toBe(rows[index]?.payload_base64);
  });
});

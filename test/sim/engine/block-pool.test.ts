import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BlockHash } from "../../../src/sim/engine/block-hash.ts";
import { BlockPool, type StoredDescription } from "../../../src/sim/engine/block-pool.ts";
import type { KvEvent } from "../../../src/sim/engine/kv-event.ts";
import { readFixtureLines } from "./fixture-files.ts";

interface RecordedRow {
  readonly channel: string;
  readonly decoded: { readonly events: { readonly type: string; readonly block_hashes: string[] }[] };
}

const STORED: StoredDescription = {
  parentBlockHash: null,
  tokenIds: [],
  blockSize: 16,
  loraId: null,
  loraName: null,
  extraKeys: [],
  groupIndex: 0,
  cacheKind: "full_attention",
  windowTokens: null,
};

function hashOf(number: number): BlockHash {
  return { wire: BigInt(number), digest: null };
}

function cacheAll(pool: BlockPool, blocks: readonly number[], firstHash: number): void {
  pool.cache(
    blocks,
    blocks.map((_, index) => hashOf(firstHash + index)),
    STORED,
  );
}

function removedHashes(events: readonly KvEvent[]): number[] {
  return events.flatMap((event) => (event.type === "BlockRemoved" ? event.blockHashes.map(Number) : []));
}

/** What a listener makes of the events: how many copies of each hash there are. */
function follow(mirror: Map<bigint, number>, events: readonly KvEvent[]): void {
  const add = (hash: bigint, copies: number): void => {
    const left = (mirror.get(hash) ?? 0) + copies;
    if (left === 0) mirror.delete(hash);
    else mirror.set(hash, left);
  };
  for (const event of events) {
    if (event.type === "AllBlocksCleared") mirror.clear();
    else for (const hash of event.blockHashes) add(hash, event.type === "BlockStored" ? 1 : -1);
  }
}

describe("BlockPool", () => {
  it("evicts the tail of the sequence that was released first", () => {
    const pool = new BlockPool(4);
    const blocks = pool.allocate(3);
    cacheAll(pool, blocks, 10);
    pool.release(blocks);
    pool.allocate(2);
    expect(removedHashes(pool.takeEvents())).toEqual([12]);
    pool.allocate(2);
    expect(removedHashes(pool.takeEvents())).toEqual([11, 10]);
  });

  it("evicts in the order that a real engine was recorded to", () => {
    const rows = readFixtureLines<RecordedRow>("kv-events/vllm-0.23.0.jsonl").filter(
      ({ channel }) => channel === "pub",
    );
    const stored = rows
      .slice(0, 6)
      .map(({ decoded }) => decoded.events.flatMap((event) => event.block_hashes.map(BigInt)));
    const evictions = rows
      .slice(6, 8)
      .flatMap(({ decoded }) => decoded.events.filter(({ type }) => type === "BlockRemoved"));
    const [prompt = [], decoded = [], second = [], ...others] = stored;
    const pool = new BlockPool(40);
    const run = (hits: number[], hashes: bigint[]): number[] => {
      pool.acquire(hits);
      // One more for the tail that never fills.
      const fresh = pool.allocate(hashes.length + 1);
      pool.cache(
        fresh.slice(0, -1),
        hashes.map((wire) => ({ wire, digest: null })),
        STORED,
      );
      return [...hits, ...fresh];
    };
    const first = run([], [...prompt, ...decoded]);
    const sharing = run(first.slice(0, 2), second);
    pool.release(first);
    pool.release(sharing);
    for (const hashes of others) pool.release(run([], hashes));
    pool.takeEvents();
    pool.allocate(40);
    const removed = pool.takeEvents().flatMap((event) => (event.type === "BlockRemoved" ? event.blockHashes : []));
    const recorded = evictions.flatMap((event) => event.block_hashes.map(BigInt));
    expect(recorded).toHaveLength(10);
    expect(removed.slice(0, 10)).toEqual(recorded);
  });

  it("spares what was used since it was released", () => {
    const pool = new BlockPool(2);
    const [first = -1] = pool.allocate(1);
    cacheAll(pool, [first], 1);
    pool.release([first]);
    const [second = -1] = pool.allocate(1);
    cacheAll(pool, [second], 2);
    pool.release([second]);
    pool.acquire([first]);
    pool.release([first]);
    pool.allocate(1);
    expect(removedHashes(pool.takeEvents())).toEqual([2]);
  });

  it("announces equal blocks twice, and the eviction of one copy while the other still serves", () => {
    const pool = new BlockPool(3);
    const [first = -1, second = -1] = pool.allocate(2);
    cacheAll(pool, [first], 7);
    cacheAll(pool, [second], 7);
    pool.release([first]);
    pool.allocate(2);
    expect(removedHashes(pool.takeEvents())).toEqual([7]);
    expect(pool.find(hashOf(7))).toBe(second);
  });

  it("does not reset while a sequence holds blocks", () => {
    const pool = new BlockPool(2);
    const blocks = pool.allocate(1);
    cacheAll(pool, blocks, 1);
    expect(pool.reset()).toBe(false);
    pool.release(blocks);
    expect(pool.reset()).toBe(true);
    expect(pool.find(hashOf(1))).toBeUndefined();
    expect(pool.takeEvents().map(({ type }) => type)).toEqual(["BlockStored", "AllBlocksCleared"]);
  });

  it("refuses to give more than it has, or to take back what is not out", () => {
    const pool = new BlockPool(2);
    const blocks = pool.allocate(2);
    expect(() => pool.allocate(1)).toThrow(RangeError);
    pool.release(blocks);
    expect(() => pool.release([blocks[0] ?? 0])).toThrow(RangeError);
  });

  it("keeps counts, content and events in agreement whatever happens", () => {
    const command = fc.oneof(
      fc.record({ kind: fc.constant("prefill" as const), size: fc.integer({ min: 1, max: 6 }), text: fc.nat(5) }),
      fc.record({ kind: fc.constant("end" as const), which: fc.nat(9) }),
      fc.record({ kind: fc.constant("reset" as const) }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 80 }), (commands) => {
        const pool = new BlockPool(12);
        const held: number[][] = [];
        const mirror = new Map<bigint, number>();
        for (const step of commands) {
          if (step.kind === "reset") pool.reset();
          else if (step.kind === "end") {
            const [ended] = held.splice(step.which % Math.max(1, held.length), 1);
            if (ended !== undefined) pool.release(ended);
          } else {
            // Texts share no prefix: block i of text t always has the hash 100 t + i.
            const hashes = Array.from({ length: step.size }, (_, index) => hashOf(100 * step.text + index));
            const found = hashes.map((hash) => pool.find(hash));
            const miss = found.indexOf(undefined);
            const hits = found.slice(0, miss < 0 ? undefined : miss).filter((block) => block !== undefined);
            const freeHits = hits.filter((block) => pool.isFree(block)).length;
            if (step.size - hits.length + freeHits > pool.freeCount) continue;
            pool.acquire(hits);
            const fresh = pool.allocate(step.size - hits.length);
            if (fresh.length > 0) pool.cache(fresh, hashes.slice(hits.length), STORED);
            held.push([...hits, ...fresh]);
          }
          follow(mirror, pool.takeEvents());
          expect(pool.usedCount).toBe(new Set(held.flat()).size);
          expect(pool.freeCount + pool.usedCount).toBe(pool.capacity);
          expect(pool.cachedHashes()).toEqual(mirror);
          expect(pool.cachedCount).toBe([...mirror.values()].reduce((sum, copies) => sum + copies, 0));
        }
      }),
    );
  });
});

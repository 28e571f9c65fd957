import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createBlockHasher } from "../../../src/sim/engine/block-hash.ts";
import { BlockPool } from "../../../src/sim/engine/block-pool.ts";
import type { CacheContent } from "../../../src/sim/engine/kv-cache.ts";
import type { KvEvent } from "../../../src/sim/engine/kv-event.ts";
import { Scheduler, type SchedulerLimits } from "../../../src/sim/engine/scheduler.ts";
import { type CacheNamespace, Sequence } from "../../../src/sim/engine/sequence.ts";
import {
  SlidingWindowGroup,
  type WindowRetention,
  windowRetentions,
} from "../../../src/sim/engine/sliding-window-group.ts";

const PLAIN: CacheNamespace = { adapter: null, cacheSalt: null };
const BLOCK = 4;
/** Two blocks before the token to be computed. */
const WINDOW = 9;

interface Bench {
  pool: BlockPool;
  scheduler: Scheduler;
}

function startBench(blocks: number, retention: WindowRetention, limits: Partial<SchedulerLimits> = {}): Bench {
  const pool = new BlockPool(blocks, { reusesUncachedFirst: retention === "replay-boundary" });
  const all = { blockTokens: BLOCK, maxNumSeqs: 8, tokenBudget: 100, ...limits };
  const window = new SlidingWindowGroup(WINDOW, BLOCK, retention);
  return { pool, scheduler: new Scheduler(pool, createBlockHasher("fast", "0"), all, window) };
}

/** Token ids first, first + 1, ... */
function ids(first: number, count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, index) => first + index);
}

function submit({ scheduler }: Bench, prompt: Uint32Array, answerTokens = 1): Sequence {
  const sequence = new Sequence(prompt, ids(100_000, answerTokens), PLAIN);
  scheduler.submit(sequence);
  return sequence;
}

function step({ scheduler }: Bench): boolean {
  if (scheduler.startStep() === null) return false;
  scheduler.finishStep();
  return true;
}

function runToEnd(bench: Bench): void {
  for (let steps = 0; step(bench); steps += 1) if (steps > 5000) throw new Error("the work does not end");
}

function served(bench: Bench, prompt: Uint32Array): number | null {
  const sequence = submit(bench, prompt);
  runToEnd(bench);
  return sequence.cachedLength;
}

function content({ scheduler }: Bench, tokens: Uint32Array): CacheContent {
  return scheduler.contentOf(tokens, PLAIN);
}

describe("a window group that keeps every block", () => {
  it("serves a prompt seen before, and any beginning of it", () => {
    const bench = startBench(100, "every-block");
    expect(served(bench, ids(0, 40))).toBe(0);
    expect(served(bench, ids(0, 40))).toBe(36);
    expect(served(bench, ids(0, 22))).toBe(20);
  });

  it("frees the blocks behind the window while the sequence runs", () => {
    const bench = startBench(100, "every-block");
    const sequence = submit(bench, ids(0, 40), 30);
    step(bench);
    expect(bench.pool.usedCount).toBe(20);
    step(bench);
    // Token 40 looks back to 32: blocks 8 and 9 stay, and both groups begin block 10.
    expect(bench.pool.usedCount).toBe(11 + 3);
    while (sequence.state === "running") step(bench);
    expect(bench.pool.usedCount).toBe(0);
  });

  it("holds no more than the window and a step's tokens while it prefills in chunks", () => {
    const bench = startBench(300, "every-block", { tokenBudget: 20 });
    submit(bench, ids(0, 400), 2);
    for (let chunk = 1; chunk <= 20; chunk += 1) {
      step(bench);
      expect(bench.pool.usedCount - chunk * 5).toBeLessThanOrEqual(2 + 5);
    }
  });

  it("serves the end of a prompt still where the blocks behind the window are gone, and its beginning no more", () => {
    const bench = startBench(38, "every-block");
    submit(bench, ids(0, 40), 10);
    runToEnd(bench);
    // Takes the 12 blocks that were never used, then the 8 that fell out of the window right after the first's prefill.
    served(bench, ids(1000, 40));
    const whole = content(bench, ids(0, 40));
    expect(whole).toMatchObject({ cachedTokens: 40, hitTokens: 40 });
    expect(whole.heldBy[0]).toEqual([0]);
    expect(whole.heldBy.at(-1)).toEqual([0, 1]);
    expect(content(bench, ids(0, 20))).toMatchObject({ cachedTokens: 20, hitTokens: 0 });
    expect(served(bench, ids(0, 21))).toBe(0);
  });
});

describe("a window group that keeps replay boundaries", () => {
  it("serves a prompt sent again, and none that ends elsewhere", () => {
    const bench = startBench(100, "replay-boundary");
    served(bench, ids(0, 40));
    expect(content(bench, ids(0, 40))).toMatchObject({ cachedTokens: 40, hitTokens: 36 });
    expect(content(bench, ids(0, 40)).heldBy.map(({ length }) => length)).toEqual([1, 1, 1, 1, 1, 1, 1, 2, 2, 1]);
    expect(served(bench, ids(0, 22))).toBe(0);
    expect(served(bench, ids(0, 40))).toBe(36);
  });

  it("serves a shared beginning from its third prompt on: the second shows that it is shared", () => {
    const bench = startBench(200, "replay-boundary");
    const after = (first: number): Uint32Array => Uint32Array.from([...ids(0, 24), ...ids(first, 20)]);
    expect([1000, 2000, 3000].map((first) => served(bench, after(first)))).toEqual([0, 0, 24]);
  });

  it("announces blocks it does not keep by their tokens alone", () => {
    const bench = startBench(100, "replay-boundary");
    served(bench, ids(0, 40));
    const [full, window] = bench.pool.takeEvents();
    expect(full).toMatchObject({ groupIndex: 0, cacheKind: "full_attention", windowTokens: null });
    expect(window).toMatchObject({ groupIndex: 1, cacheKind: "sliding_window", windowTokens: WINDOW });
    expect(full).toMatchObject({ tokenIds: ids(0, 40), blockHashes: { length: 10 } });
    expect(window).toMatchObject({ tokenIds: ids(0, 40), blockHashes: { length: 2 } });
  });

  it("gives up what it does not keep before anything that is cached", () => {
    const bench = startBench(24, "replay-boundary");
    served(bench, ids(0, 40));
    served(bench, ids(1000, 20));
    expect(content(bench, ids(0, 40)).cachedTokens).toBe(40);
  });
});

describe.each(windowRetentions)("whatever is asked of a crowded hybrid cache (%s)", (retention) => {
  const request = fc.record({
    text: fc.nat(3),
    shared: fc.nat(40),
    own: fc.integer({ min: 1, max: 30 }),
    answer: fc.integer({ min: 1, max: 20 }),
  });

  function promptOf({ text, shared, own }: { text: number; shared: number; own: number }): Uint32Array {
    return Uint32Array.from([...ids(1000 * text, shared), ...ids(50_000 + 100 * own, own)]);
  }

  it("all work ends, every block comes back, and the events tell what each group holds", () => {
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 30 }), (requests) => {
        const bench = startBench(50, retention, { maxNumSeqs: 3, tokenBudget: 24 });
        const heard = [new Map<bigint, number>(), new Map<bigint, number>()];
        const sequences = requests.map((one) => submit(bench, promptOf(one), one.answer));
        for (let steps = 0; step(bench); steps += 1) {
          if (steps > 3000) throw new Error("the work does not end");
          follow(heard, bench.pool.takeEvents());
          for (const group of [0, 1]) expect(bench.pool.cachedHashes(group)).toEqual(heard[group]);
        }
        expect(new Set(sequences.map(({ state }) => state))).toEqual(new Set(["finished"]));
        expect(bench.pool.usedCount).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it("a request is spared exactly the tokens that the cache is said to have for it", () => {
    fc.assert(
      fc.property(fc.array(request, { minLength: 2, maxLength: 20 }), (requests) => {
        const bench = startBench(50, retention);
        for (const one of requests) {
          const prompt = promptOf(one);
          const { hitTokens, cachedTokens, heldBy, resumable } = content(bench, prompt.subarray(0, -1));
          expect(resumable.lastIndexOf(true) + 1).toBe(hitTokens / BLOCK);
          expect(hitTokens).toBeLessThanOrEqual(cachedTokens);
          expect(heldBy.slice(0, cachedTokens / BLOCK).every((groups) => groups.includes(0))).toBe(true);
          const sequence = submit(bench, prompt, one.answer);
          runToEnd(bench);
          expect(sequence.cachedLength).toBe(hitTokens);
        }
      }),
      { numRuns: 60 },
    );
  });
});

/** What a listener makes of the events: how many copies of each hash each group has. */
function follow(heard: Map<bigint, number>[], events: readonly KvEvent[]): void {
  for (const event of events) {
    if (event.type === "AllBlocksCleared") throw new Error("nothing was cleared");
    const copies = heard[event.groupIndex];
    for (const hash of event.blockHashes) {
      const count = (copies?.get(hash) ?? 0) + (event.type === "BlockStored" ? 1 : -1);
      if (count === 0) copies?.delete(hash);
      else copies?.set(hash, count);
    }
  }
}

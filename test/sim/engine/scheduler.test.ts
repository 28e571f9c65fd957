import { describe, expect, it } from "vitest";
import { createBlockHasher } from "../../../src/sim/engine/block-hash.ts";
import { BlockPool } from "../../../src/sim/engine/block-pool.ts";
import { Scheduler, type SchedulerLimits } from "../../../src/sim/engine/scheduler.ts";
import { type CacheNamespace, Sequence } from "../../../src/sim/engine/sequence.ts";

const PLAIN: CacheNamespace = { adapter: null, cacheSalt: null };

interface Bench {
  pool: BlockPool;
  scheduler: Scheduler;
}

function startBench(blocks: number, limits: Partial<SchedulerLimits> = {}): Bench {
  const pool = new BlockPool(blocks);
  const all = { blockTokens: 4, maxNumSeqs: 8, tokenBudget: 100, ...limits };
  return { pool, scheduler: new Scheduler(pool, createBlockHasher("fast", "0"), all) };
}

/** Token ids first, first + 1, ... */
function ids(first: number, count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, index) => first + index);
}

function submit({ scheduler }: Bench, prompt: Uint32Array, answerTokens: number, namespace = PLAIN): Sequence {
  const sequence = new Sequence(prompt, ids(100_000, answerTokens), namespace);
  scheduler.submit(sequence);
  return sequence;
}

function runToEnd({ scheduler }: Bench, mostSteps = 1000): number {
  for (let steps = 0; steps < mostSteps; steps += 1) {
    if (scheduler.startStep() === null) return steps;
    scheduler.finishStep();
  }
  throw new Error("the work does not end");
}

describe("Scheduler", () => {
  it("prefills a prompt in one step, samples its first token, then one token a step", () => {
    const bench = startBench(10);
    const sequence = submit(bench, ids(0, 10), 3);
    expect(bench.scheduler.startStep()).toEqual({
      prefillTokens: 10,
      prefillPairs: 10 * (0 + 10 / 2),
      decodeSequences: 0,
      decodeContextTokens: 0,
    });
    expect(bench.scheduler.finishStep()).toEqual([sequence]);
    expect(bench.scheduler.startStep()).toEqual({
      prefillTokens: 0,
      prefillPairs: 0,
      decodeSequences: 1,
      decodeContextTokens: 10,
    });
    expect(bench.scheduler.finishStep()).toEqual([sequence]);
    expect(sequence.generatedLength).toBe(2);
    bench.scheduler.startStep();
    bench.scheduler.finishStep();
    expect(sequence.state).toBe("finished");
    expect(bench.pool.usedCount).toBe(0);
    expect(bench.scheduler.startStep()).toBeNull();
  });

  it("takes a sequence into no step that began before it arrived", () => {
    const bench = startBench(10);
    const sequence = submit(bench, ids(0, 10), 3);
    sequence.arrivedAtMs = 50;
    expect(bench.scheduler.startStep(49)).toBeNull();
    expect(bench.scheduler.startStep(50)).toMatchObject({ prefillTokens: 10 });
  });

  it("cuts a long prompt into chunks of the token budget, decoding first", () => {
    const bench = startBench(100, { tokenBudget: 20 });
    const short = submit(bench, ids(0, 8), 10);
    bench.scheduler.startStep();
    bench.scheduler.finishStep();
    const long = submit(bench, ids(1000, 50), 1);
    const chunks: number[] = [];
    while (long.generatedLength === 0) {
      const load = bench.scheduler.startStep();
      chunks.push(load?.prefillTokens ?? 0);
      expect(load?.decodeSequences).toBe(1);
      bench.scheduler.finishStep();
    }
    expect(chunks).toEqual([19, 19, 12]);
    expect(short.generatedLength).toBe(4);
  });

  it("counts the attention of a later chunk over what came before it", () => {
    const bench = startBench(100, { tokenBudget: 20 });
    submit(bench, ids(0, 30), 1);
    expect(bench.scheduler.startStep()?.prefillPairs).toBe(20 * (0 + 20 / 2));
    bench.scheduler.finishStep();
    expect(bench.scheduler.startStep()?.prefillPairs).toBe(10 * (20 + 10 / 2));
  });

  it("reuses full blocks of a prompt seen before, but always computes the last token", () => {
    const bench = startBench(20);
    submit(bench, ids(0, 16), 1);
    runToEnd(bench);
    const again = submit(bench, ids(0, 16), 1);
    expect(bench.scheduler.startStep()?.prefillTokens).toBe(4);
    expect(again.cachedLength).toBe(12);
    bench.scheduler.finishStep();
    const longer = submit(bench, ids(0, 18), 1);
    expect(bench.scheduler.startStep()?.prefillTokens).toBe(2);
    expect(longer.cachedLength).toBe(16);
  });

  it("reuses a prefix that another running sequence has only just been given", () => {
    const bench = startBench(20);
    submit(bench, ids(0, 10), 5);
    const second = submit(bench, ids(0, 10), 5);
    expect(bench.scheduler.startStep()?.prefillTokens).toBe(10 + 2);
    expect(second.cachedLength).toBe(8);
  });

  it("does not reuse across adapters and cache salts", () => {
    const bench = startBench(40);
    submit(bench, ids(0, 10), 1);
    const adapted = submit(bench, ids(0, 10), 1, { adapter: { id: 1, name: "sql" }, cacheSalt: null });
    const salted = submit(bench, ids(0, 10), 1, { adapter: null, cacheSalt: "tenant" });
    bench.scheduler.startStep();
    expect([adapted.cachedLength, salted.cachedLength]).toEqual([0, 0]);
  });

  it("caches generated tokens, all but the last: that one was sampled and never computed", () => {
    const bench = startBench(20);
    const sequence = submit(bench, ids(0, 6), 6);
    runToEnd(bench);
    expect(bench.scheduler.contentOf(sequence.tokens, PLAIN).cachedTokens).toBe(8);
    const other = submit(bench, ids(500, 6), 7);
    runToEnd(bench);
    expect(bench.scheduler.contentOf(other.tokens, PLAIN).cachedTokens).toBe(12);
  });

  it("announces a block when decoding fills it, with its parent and tokens", () => {
    const bench = startBench(20);
    const sequence = submit(bench, ids(0, 6), 4);
    runToEnd(bench);
    const [prompt, decoded] = bench.pool.takeEvents();
    expect(prompt).toMatchObject({ type: "BlockStored", parentBlockHash: null });
    expect(decoded).toMatchObject({
      type: "BlockStored",
      parentBlockHash: prompt?.type === "BlockStored" ? prompt.blockHashes[0] : undefined,
      tokenIds: sequence.tokens.subarray(4, 8),
      blockSize: 4,
    });
  });

  it("admits in order of arrival, no more than max_num_seqs at a time", () => {
    const bench = startBench(100, { maxNumSeqs: 2 });
    const sequences = [0, 1000, 2000].map((first) => submit(bench, ids(first, 4), 2));
    bench.scheduler.startStep();
    expect(bench.scheduler.running).toEqual(sequences.slice(0, 2));
    expect(bench.scheduler.waiting).toEqual(sequences.slice(2));
    bench.scheduler.finishStep();
    bench.scheduler.startStep();
    bench.scheduler.finishStep();
    bench.scheduler.startStep();
    expect(bench.scheduler.running).toEqual(sequences.slice(2));
  });

  it("does not let a later small request pass one that has no room", () => {
    const bench = startBench(4);
    submit(bench, ids(0, 8), 4);
    bench.scheduler.startStep();
    bench.scheduler.finishStep();
    const large = submit(bench, ids(1000, 12), 1);
    const small = submit(bench, ids(2000, 2), 1);
    bench.scheduler.startStep();
    expect(bench.scheduler.waiting).toEqual([large, small]);
  });

  it("preempts the newest when decoding needs a block and none is free, and computes it again later", () => {
    const bench = startBench(4);
    const old = submit(bench, ids(0, 7), 9);
    const young = submit(bench, ids(1000, 7), 9);
    bench.scheduler.startStep();
    bench.scheduler.finishStep();
    expect(young.cachedLength).toBe(0);
    while (young.state === "running") {
      bench.scheduler.startStep();
      bench.scheduler.finishStep();
    }
    expect(bench.scheduler.totals.preemptions).toBe(1);
    expect(old.state).toBe("running");
    expect(bench.scheduler.waiting).toEqual([young]);
    const generatedBefore = young.generatedLength;
    runToEnd(bench);
    expect(generatedBefore).toBeGreaterThan(0);
    expect([old.state, young.state]).toEqual(["finished", "finished"]);
    expect(young.cachedLength).toBe(0);
    expect(bench.pool.usedCount).toBe(0);
  });

  it("frees the blocks of an aborted sequence at once, waiting or running", () => {
    const bench = startBench(20, { maxNumSeqs: 1 });
    const running = submit(bench, ids(0, 10), 5);
    const waiting = submit(bench, ids(1000, 10), 5);
    bench.scheduler.startStep();
    bench.scheduler.abort(waiting);
    bench.scheduler.abort(running);
    expect(bench.pool.usedCount).toBe(0);
    expect(bench.scheduler.finishStep()).toEqual([]);
    expect(bench.scheduler.startStep()).toBeNull();
  });

  it("goes on after its cache was cleared under it", () => {
    const bench = startBench(20);
    const sequence = submit(bench, ids(0, 10), 5);
    bench.scheduler.startStep();
    bench.scheduler.finishStep();
    bench.scheduler.startStep();
    bench.scheduler.clearCache();
    bench.scheduler.finishStep();
    expect(bench.pool.cachedCount).toBe(0);
    runToEnd(bench);
    expect(sequence.state).toBe("finished");
    expect(bench.pool.takeEvents().map(({ type }) => type)).toContain("AllBlocksCleared");
  });

  it("asks the cache without touching it", () => {
    const bench = startBench(20);
    submit(bench, ids(0, 10), 1);
    runToEnd(bench);
    const before = bench.pool.cachedHashes();
    expect(bench.scheduler.contentOf(ids(0, 10), PLAIN).cachedTokens).toBe(8);
    expect(bench.scheduler.contentOf(ids(0, 7), PLAIN).cachedTokens).toBe(4);
    expect(bench.scheduler.contentOf(ids(1, 10), PLAIN).cachedTokens).toBe(0);
    expect(bench.pool.cachedHashes()).toEqual(before);
    expect(bench.scheduler.totals.prefixQueryTokens).toBe(10);
  });

  it("ends all work of a crowded pool and gives every block back", () => {
    const bench = startBench(12, { maxNumSeqs: 6, tokenBudget: 16 });
    const sequences = Array.from({ length: 20 }, (_, index) => submit(bench, ids(1000 * (index % 3), 9 + index), 10));
    runToEnd(bench, 5000);
    expect(new Set(sequences.map(({ state }) => state))).toEqual(new Set(["finished"]));
    expect(bench.scheduler.totals.preemptions).toBeGreaterThan(0);
    expect(bench.pool.usedCount).toBe(0);
  });
});

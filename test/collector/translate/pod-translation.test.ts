import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { KvEvent } from "../../../src/collector/kv-events/event.ts";
import { PodTranslation } from "../../../src/collector/translate/pod-translation.ts";
import type { BlockLimits } from "../../../src/collector/translate/rank-blocks.ts";
import type { SegmentText } from "../../../src/collector/translate/segment-run.ts";
import { noTranslationCounts } from "../../../src/collector/translate/translation-counts.ts";
import { CacheModel, type ModelBlock, segmentsBefore } from "./cache-model.ts";
import { EdgeModel } from "./edge-model.ts";
import { CLEARED, removedEvent, storedEvent } from "./events.ts";
import { BLOCK_TOKENS, branchingTree, chain, runUpTo } from "./random-events.ts";
import { MODEL, SECRET, segmentsOf, segmentText } from "./text-of-tokens.ts";

const LIMITS: BlockLimits = { mostBlocks: 1000, mostWaiting: 100 };

let text: SegmentText;

beforeAll(async () => {
  text = await segmentText(24);
});

function translate(options: { before?: ReadonlyMap<string, string>; limits?: BlockLimits } = {}) {
  const edge = new EdgeModel(options.before);
  const counts = noTranslationCounts();
  const translation = new PodTranslation({
    pod: "ns/a/8000",
    epoch: "e1",
    text,
    secret: SECRET,
    baseModel: MODEL,
    limits: options.limits ?? LIMITS,
    check: undefined,
    counts,
    emit: (change) => edge.apply([change]),
  });
  let sequence = 0;
  const take = (events: readonly KvEvent[], rank = 0) =>
    translation.take({ timeS: 1, dataParallelRank: rank, events, skipped: [] }, { sequence: sequence++, timeS: 1 });
  return { translation, edge, counts, take };
}

function namesOf(blocks: readonly ModelBlock[]): string[] {
  return segmentsOf(text, blocks.at(-1)?.tokens ?? []).map(({ name }) => name);
}

describe("PodTranslation", () => {
  it("sends claims when they are asked for, or when they are many", () => {
    const { translation, edge, take } = translate();
    const blocks = chain("a", 10, 100);
    take([storedEvent(blocks, BLOCK_TOKENS)]);
    expect(edge.claims.size).toBe(0);
    expect(translation.collect(1000)).toBe(false);
    expect([...edge.claims.keys()]).toEqual(namesOf(blocks));
  });

  it("clears at once when the engine drops its cache, and claims what comes after", () => {
    const { translation, edge, take } = translate();
    take([storedEvent(chain("a", 10, 100), BLOCK_TOKENS), CLEARED]);
    const after = chain("b", 8, 300);
    take([storedEvent(after, BLOCK_TOKENS)]);
    expect(edge.clears).toBe(1);
    translation.collect(1000);
    expect([...edge.claims.keys()]).toEqual(namesOf(after));
  });

  it("keeps what other ranks hold when one drops its cache", () => {
    const { translation, edge, take } = translate();
    const [a, b] = [chain("a", 10, 100), chain("b", 10, 500)];
    take([storedEvent(a, BLOCK_TOKENS)], 0);
    take([storedEvent(b, BLOCK_TOKENS)], 1);
    take([CLEARED], 0);
    translation.collect(10_000);
    expect([...edge.claims.keys()]).toEqual(namesOf(b));
    expect(translation.evidence.ranks).toBe(1);
  });

  it("claims what several ranks hold until the last one has dropped it", () => {
    const { translation, edge, take } = translate();
    const blocks = chain("a", 10, 100);
    for (const rank of [0, 1]) take([storedEvent(blocks, BLOCK_TOKENS)], rank);
    const hashes = blocks.map(({ hash }) => hash);
    take([removedEvent(hashes)], 0);
    translation.collect(10_000);
    expect(edge.claims.size).toBe(namesOf(blocks).length);
    take([removedEvent(hashes)], 1);
    translation.collect(10_000);
    expect(edge.claims.size).toBe(0);
  });

  it("holds blocks whose parent is not known yet, and claims them when it comes", () => {
    const { translation, edge, counts, take } = translate();
    const blocks = chain("a", 12, 100);
    take([storedEvent(blocks.slice(8), BLOCK_TOKENS)]);
    take([storedEvent(blocks.slice(4, 8), BLOCK_TOKENS)]);
    translation.collect(1000);
    expect(edge.claims.size).toBe(0);
    expect(translation.sizes.waiting).toBeGreaterThan(0);
    take([storedEvent(blocks.slice(0, 4), BLOCK_TOKENS)]);
    translation.collect(1000);
    expect([...edge.claims.keys()].sort()).toEqual(namesOf(blocks).sort());
    expect(counts).toMatchObject({ waiting: 8, placed: 8, notWaiting: 0 });
    expect(translation.sizes.waiting).toBe(0);
  });

  it("lets no more blocks wait than there is room for", () => {
    const { translation, counts, take } = translate({ limits: { mostBlocks: 1000, mostWaiting: 20 } });
    for (let i = 0; i < 10; i++) take([storedEvent(chain(`c${i}-`, 6, 100 * i).slice(2), BLOCK_TOKENS)]);
    expect(translation.sizes.waiting).toBeLessThanOrEqual(20);
    expect(counts.waiting).toBe(16);
    expect(counts.notWaiting).toBe(24);
  });

  it("forgets waiting blocks that are removed before their parent comes", () => {
    const { translation, edge, take } = translate();
    const blocks = chain("a", 12, 100);
    take([
      storedEvent(blocks.slice(4), BLOCK_TOKENS),
      removedEvent(
        blocks
          .slice(4)
          .map(({ hash }) => hash)
          .reverse(),
      ),
    ]);
    expect(translation.sizes).toMatchObject({ waiting: 0, blocks: 0 });
    take([storedEvent(blocks.slice(0, 4), BLOCK_TOKENS)]);
    translation.collect(1000);
    expect([...edge.claims.keys()]).toEqual(namesOf(blocks.slice(0, 4)));
  });

  it("keeps to its room, and drops the longest removed first", () => {
    const { translation, counts, take } = translate({ limits: { mostBlocks: 50, mostWaiting: 10 } });
    for (let i = 0; i < 20; i++) {
      const blocks = chain(`c${i}-`, 10, 100 * i);
      take([storedEvent(blocks, BLOCK_TOKENS)]);
    }
    expect(translation.sizes.blocks).toBe(50);
    expect(counts.noRoom).toBeGreaterThan(0);
  });

  it("does not keep more removed blocks than a share of all", () => {
    const { translation, take } = translate({ limits: { mostBlocks: 100_000, mostWaiting: 10 } });
    for (let i = 0; i < 500; i++) {
      const blocks = chain(`c${i}-`, 10, 10 * i);
      take([storedEvent(blocks, BLOCK_TOKENS), removedEvent(blocks.map(({ hash }) => hash).reverse())]);
    }
    expect(translation.sizes.blocks).toBeLessThanOrEqual(1024);
  });

  it("takes two different blocks under one hash for neither", () => {
    const { translation, edge, counts, take } = translate();
    const [a, b] = [chain("a", 6, 100), chain("b", 6, 500)];
    take([storedEvent(a, BLOCK_TOKENS)]);
    take([storedEvent([{ ...(b[0] as ModelBlock), hash: a[2]?.hash ?? "" }], BLOCK_TOKENS)]);
    translation.collect(1000);
    expect([...edge.claims.keys()]).toEqual(namesOf(a.slice(0, 2)));
    expect(counts.conflicts).toBe(1);
    expect(translation.evidence.hashesUnchained).toBe(false);
  });

  it("gives up on an engine whose hashes do not cover what comes before", () => {
    const { translation, edge, take } = translate();
    const [a, b] = [chain("a", 6, 100), chain("b", 6, 500)];
    take([storedEvent(a, BLOCK_TOKENS)]);
    translation.collect(1000);
    take([storedEvent([{ ...(a[3] as ModelBlock), parent: undefined }], BLOCK_TOKENS)]);
    take([storedEvent(b, BLOCK_TOKENS)]);
    translation.collect(1000);
    expect(edge.claims.size).toBe(0);
    expect(translation.evidence.hashesUnchained).toBe(true);
  });

  it("takes everything back and begins a new epoch when told to forget", () => {
    const { translation, edge, take } = translate();
    take([storedEvent(chain("a", 6, 100), BLOCK_TOKENS)]);
    translation.collect(1000);
    translation.begin("e2");
    expect(edge.claims.size).toBe(0);
    expect(translation.sizes.blocks).toBe(0);
  });

  it("claims nothing after events were lost, until a store behind known blocks says that they are there", () => {
    const { translation, edge, take } = translate();
    const trunk = chain("a", 100, 100);
    const branch = chain("b", 4, 5000, trunk[3]);
    take([storedEvent(trunk, BLOCK_TOKENS)]);
    translation.collect(1e6);
    translation.doubt("lost");
    translation.collect(1000);
    expect(edge.claims.size).toBe(0);
    expect(translation.evidence.history).toBe("lost");
    take([storedEvent(branch, BLOCK_TOKENS)]);
    translation.collect(1000);
    expect([...edge.claims.keys()].sort()).toEqual(namesOf([...trunk.slice(0, 4), ...branch]).sort());
    take([removedEvent([trunk[0]?.hash ?? ""])]);
    translation.collect(1000);
    expect(edge.claims.size).toBe(0);
  });

  it("does not take a store in a host tier as word of what the GPU has", () => {
    const { translation, edge, take } = translate();
    const blocks = chain("a", 100, 100);
    take([storedEvent(blocks.slice(0, 99), BLOCK_TOKENS)]);
    translation.doubt("lost");
    take([storedEvent(blocks.slice(99), BLOCK_TOKENS, "CPU")]);
    translation.collect(1000);
    expect(edge.claims.size).toBe(0);
  });

  it("says what its claims sum to, those that still waited included", () => {
    const { translation, edge, take } = translate();
    const blocks = chain("a", 10, 100);
    take([storedEvent(blocks, BLOCK_TOKENS)]);
    translation.check();
    expect([...edge.claims.keys()]).toEqual(namesOf(blocks));
    expect([edge.checks, edge.clears]).toEqual([1, 0]);
  });

  it("doubts its claims when asked what they sum to before the engine has confirmed them", () => {
    const { translation, edge } = translate();
    translation.check();
    expect([edge.checks, edge.clears]).toEqual([0, 1]);
  });

  it("ends a resync with what the table holds, whatever happens while its pages are asked for", () => {
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ do: fc.constant("store" as const), block: fc.nat(47), run: fc.nat(5) }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant("remove" as const), block: fc.nat(47) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("offload" as const), block: fc.nat(47) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant("page" as const), bytes: fc.nat(60) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("resync" as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("check" as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("clear" as const), rank: fc.nat(1) }) },
    );
    const tree = branchingTree();
    const before = segmentsBefore(text, tree);
    fc.assert(
      fc.property(fc.array(fc.tuple(step, fc.nat(1)), { minLength: 20, maxLength: 120 }), (steps) => {
        const { translation, edge, take } = translate({ before });
        const models = [new CacheModel(text), new CacheModel(text)];
        for (const [one, rank] of steps) {
          const model = models[rank] as CacheModel;
          if (one.do === "page") translation.collect(one.bytes);
          else if (one.do === "resync") translation.resync();
          else if (one.do === "check") translation.check();
          else if (one.do === "clear") {
            models[one.rank]?.clear();
            take([CLEARED], one.rank);
          } else {
            const block = tree[one.block] as ModelBlock;
            const medium = one.do === "offload" ? "CPU" : "GPU";
            if (one.do === "remove") {
              model.remove(block.hash, medium);
              take([removedEvent([block.hash])], rank);
              continue;
            }
            const run = runUpTo(block, one.do === "store" ? one.run : 0);
            for (const stored of run) model.store(stored, medium);
            take([storedEvent(run, BLOCK_TOKENS, medium)], rank);
          }
        }
        while (translation.collect(100));
        // The model of the edge compares the sums with what it holds.
        const { checks } = edge;
        translation.check();
        if (steps.some(([one]) => one.do === "store")) expect(edge.checks).toBe(checks + 1);
        const expected = new Map([...(models[0] as CacheModel).claims()]);
        for (const [name, claim] of (models[1] as CacheModel).claims()) {
          if (expected.get(name)?.tier !== "gpu") expected.set(name, claim);
        }
        expect(edge.claims).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });
});

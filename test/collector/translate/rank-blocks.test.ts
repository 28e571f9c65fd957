import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { ChainScopes } from "../../../src/collector/translate/chain-scopes.ts";
import { ClaimLog } from "../../../src/collector/translate/claim-log.ts";
import { RankBlocks } from "../../../src/collector/translate/rank-blocks.ts";
import { SegmentClaims } from "../../../src/collector/translate/segment-claims.ts";
import type { SegmentText } from "../../../src/collector/translate/segment-run.ts";
import { noTranslationCounts } from "../../../src/collector/translate/translation-counts.ts";
import { CacheModel, type ModelBlock, segmentsBefore } from "./cache-model.ts";
import { EdgeModel } from "./edge-model.ts";
import { removedEvent, storedEvent } from "./events.ts";
import { BLOCK_TOKENS, runUpTo } from "./random-events.ts";
import { MODEL, SECRET, segmentText } from "./text-of-tokens.ts";

/** Segments longer than a block, about as long, and several in one. */
const SEGMENT_BYTES = [48, 20, 7];

const texts = new Map<number, SegmentText>();

beforeAll(async () => {
  for (const segmentBytes of SEGMENT_BYTES) texts.set(segmentBytes, await segmentText(segmentBytes));
});

function rankBlocks(text: SegmentText, limits = { mostBlocks: 100_000, mostWaiting: 10_000 }) {
  const log = new ClaimLog(24);
  log.begin("pod", "epoch");
  const counts = noTranslationCounts();
  const claims = new SegmentClaims(log);
  const blocks = new RankBlocks({ text, scopes: new ChainScopes(text.hasher, SECRET, MODEL), claims, counts, limits });
  return { blocks, log, counts, claims };
}

/** A tree of blocks: block `i` follows the one `stepsBack[i]` before it, or none. Tokens repeat, so that texts meet. */
function treeOf(stepsBack: readonly number[], tokenSeeds: readonly number[]): ModelBlock[] {
  const tree: ModelBlock[] = [];
  for (const [i, back] of stepsBack.entries()) {
    const parent = back === 0 ? undefined : tree[i - back];
    const own = Array.from({ length: BLOCK_TOKENS }, (_, place) => ((tokenSeeds[i] ?? 0) * 13 + place * 5) % 40);
    const adapter = parent === undefined ? (i % 5 === 4 ? "sql-lora" : undefined) : parent.adapter;
    tree.push({ hash: String(1000 + i), parent, tokens: [...(parent?.tokens ?? []), ...own], adapter });
  }
  return tree;
}

const media = fc.constantFrom("GPU", "GPU", "GPU", "CPU", "STORAGE");
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("store" as const), block: fc.nat(39), run: fc.nat(3), medium: media }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("remove" as const), block: fc.nat(39), medium: media }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("offload" as const), block: fc.nat(39), medium: fc.constant("CPU") }),
  },
);
const scenario = fc.record({
  stepsBack: fc.array(fc.constantFrom(0, 1, 1, 1, 1, 2, 3, 7), { minLength: 40, maxLength: 40 }),
  tokenSeeds: fc.array(fc.nat(3), { minLength: 40, maxLength: 40 }),
  steps: fc.array(step, { minLength: 30, maxLength: 120 }),
});

describe("RankBlocks", () => {
  it.each(SEGMENT_BYTES)(
    "claims exactly the segments whose blocks are present from the first on, in segments of %i bytes",
    (segmentBytes) => {
      const text = texts.get(segmentBytes) as SegmentText;
      fc.assert(
        fc.property(scenario, ({ stepsBack, tokenSeeds, steps }) => {
          const tree = treeOf(stepsBack, tokenSeeds);
          const { blocks, log } = rankBlocks(text);
          const edge = new EdgeModel(segmentsBefore(text, tree));
          const model = new CacheModel(text);
          const everHeld = new Set<string>();
          for (const one of steps) {
            const block = tree[one.block] as ModelBlock;
            if (one.do === "store") {
              const run = runUpTo(block, one.run);
              for (const stored of run) model.store(stored, one.medium);
              blocks.stored(storedEvent(run, BLOCK_TOKENS, one.medium));
            } else if (one.do === "remove") {
              model.remove(block.hash, one.medium);
              blocks.removed(removedEvent([block.hash], one.medium));
            } else if (everHeld.has(block.hash)) {
              model.store(block, one.medium);
              blocks.stored(storedEvent([block], 0, one.medium));
            }
            for (const known of tree) if (model.heldGrade(known) > 0) everHeld.add(known.hash);
            edge.apply(log.take());
            expect(edge.claims).toEqual(model.claims());
          }
        }),
        { numRuns: 200 },
      );
    },
  );

  it("does not let one large block multiply the room of all others", () => {
    const text = texts.get(48) as SegmentText;
    const { blocks, counts } = rankBlocks(text);
    const store = (hash: number, tokens: number) =>
      blocks.stored(
        storedEvent(
          [{ hash: String(hash), parent: undefined, tokens: new Array(tokens).fill(hash), adapter: undefined }],
          tokens,
        ),
      );
    for (let hash = 1; hash <= 5_000; hash++) store(hash, 16);
    const { allocatedBytes } = blocks.forest.tree;
    store(9_000, 60_000);
    expect(counts).toMatchObject({ stored: 5_000, noRoom: 1 });
    expect(blocks.forest.tree.allocatedBytes).toBe(allocatedBytes);
    store(9_001, 1_056);
    expect(counts).toMatchObject({ stored: 5_001, noRoom: 1 });
  });
});

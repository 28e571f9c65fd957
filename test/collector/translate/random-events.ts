import fc from "fast-check";
import type { KvEvent } from "../../../src/collector/kv-events/event.ts";
import type { ModelBlock } from "./cache-model.ts";
import { CLEARED, removedEvent, storedEvent } from "./events.ts";

export const BLOCK_TOKENS = 4;

/** A chain of blocks with tokens of its own. */
export function chain(name: string, length: number, firstToken: number, parent?: ModelBlock): ModelBlock[] {
  const blocks: ModelBlock[] = [];
  for (let i = 0; i < length; i++) {
    const before = blocks.at(-1) ?? parent;
    const own = Array.from({ length: BLOCK_TOKENS }, (_, place) => firstToken + 10 * i + place);
    const tokens = [...(before?.tokens ?? []), ...own];
    blocks.push({ hash: hashOf(`${name}${i}`), parent: before, tokens, adapter: parent?.adapter });
  }
  return blocks;
}

/** A trunk of 12 blocks and three branches of 12. */
export function branchingTree(): ModelBlock[] {
  const tree = chain("a", 12, 100);
  for (const [i, at] of [3, 7, 7].entries()) tree.push(...chain(`b${i}-`, 12, 1000 * (i + 1), tree[at]));
  return tree;
}

function hashOf(name: string): string {
  return BigInt.asUintN(64, BigInt(`0x${Buffer.from(name).toString("hex")}`) * 0x9e3779b97f4a7c15n).toString();
}

/** Stores, removals and now and then a clear, of blocks of a tree. */
export function eventsOf(tree: readonly ModelBlock[]): fc.Arbitrary<KvEvent> {
  const block = fc.nat(tree.length - 1).map((i) => tree[i] as ModelBlock);
  const medium = fc.constantFrom("GPU", "GPU", "CPU");
  return fc.oneof(
    {
      weight: 10,
      arbitrary: fc
        .tuple(block, fc.nat(5), medium)
        .map(([last, n, at]) => storedEvent(runUpTo(last, n), BLOCK_TOKENS, at)),
    },
    { weight: 8, arbitrary: fc.tuple(block, medium).map(([{ hash }, at]) => removedEvent([hash], at)) },
    { weight: 1, arbitrary: fc.constant(CLEARED) },
  );
}

/** The block and up to `before` blocks before it, in order. */
export function runUpTo(block: ModelBlock, before: number): ModelBlock[] {
  const run = [block];
  for (let one = block.parent; one !== undefined && run.length <= before; one = one.parent) run.unshift(one);
  return run;
}

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OrderedHeap } from "../../../src/routing/queue/ordered-heap.ts";

type Item = { rank: number; readonly name: number };
const inOrder = (a: Item, b: Item) => a.rank - b.rank || a.name - b.name;

describe("ordered heap", () => {
  it("has the items of a sorted list in the same order, whatever is added, removed or reordered", () => {
    const step = fc.record({
      kind: fc.constantFrom("add", "add", "remove", "reorder", "removeFirst"),
      item: fc.nat(40),
      rank: fc.nat(20),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const heap = new OrderedHeap<Item>(inOrder);
        let items: Item[] = [];
        for (const { kind, item: index, rank } of steps) {
          const item = kind === "removeFirst" ? items[0] : items[index];
          if (kind === "add") {
            const added = { rank, name: steps.length + items.length + rank * 1_000 + index * 100_000 };
            if (items.some(({ name }) => name === added.name)) continue;
            items.push(added);
            heap.add(added);
          } else if (item === undefined) {
            expect(heap.remove({ rank: 0, name: -1 })).toBe(false);
          } else if (kind === "reorder") {
            item.rank = rank;
            heap.reorder(item);
          } else {
            expect(heap.remove(item)).toBe(true);
            items = items.filter((other) => other !== item);
          }
          items.sort(inOrder);
          expect(heap.size).toBe(items.length);
          expect(heap.first).toBe(items[0]);
        }
        expect([...heap.inOrder()]).toEqual(items);
        expect(new Set(heap.items)).toEqual(new Set(items));
      }),
      { numRuns: 300 },
    );
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BlockCache } from "../../../src/sim/fleet/block-cache.ts";

/** Takes room for a prompt, computes it and lets go of it. */
function passThrough(cache: BlockCache, ids: readonly number[]): void {
  const known = cache.countLeading(Uint32Array.from(ids), ids.length);
  const slots = ids.slice(0, known).map((id) => cache.pin(id));
  cache.reserve(ids.length - known);
  for (const id of ids.slice(known)) slots.push(cache.commit(id));
  for (const slot of slots.reverse()) cache.release(slot);
}

describe("BlockCache", () => {
  it("evicts the least recently used prompt first, its tail before its head", () => {
    const evicted: number[] = [];
    const cache = new BlockCache(6, (id) => evicted.push(id));
    passThrough(cache, [1, 2, 3]);
    passThrough(cache, [11, 12, 13]);
    passThrough(cache, [1, 2, 3]);
    passThrough(cache, [21, 22, 23, 24]);
    expect(evicted).toEqual([13, 12, 11, 3]);
    expect(cache.countLeading(Uint32Array.of(1, 2, 3), 3)).toBe(2);
  });

  it("never evicts what a request holds", () => {
    const evicted: number[] = [];
    const cache = new BlockCache(4, (id) => evicted.push(id));
    passThrough(cache, [1, 2]);
    passThrough(cache, [3, 4]);
    cache.pin(1);
    expect(cache.availableBlocks).toBe(3);
    expect(cache.countIdle(Uint32Array.of(1, 2), 2)).toBe(1);
    cache.reserve(3);
    expect(evicted).toEqual([2, 4, 3]);
    expect(cache.heldBlocks).toBe(4);
    expect(cache.availableBlocks).toBe(0);
  });

  it("agrees with a plain list over any use", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 6 })), { maxLength: 60 }), (uses) => {
        const cache = new BlockCache(10, () => undefined);
        let model: number[] = [];
        for (const [prompt, length] of uses) {
          const ids = Array.from({ length }, (_, i) => 100 * prompt + i);
          passThrough(cache, ids);
          // Oldest first: a use puts the whole prompt at the end, its head last.
          model = [...model.filter((id) => !ids.includes(id)), ...ids.toReversed()].slice(-10);
          expect(cache.residentBlocks).toBe(model.length);
          for (const id of model) expect(cache.countLeading(Uint32Array.of(id), 1)).toBe(1);
          expect(cache.heldBlocks).toBe(0);
        }
      }),
    );
  });

  it("is as new after a restart", () => {
    const cache = new BlockCache(3, () => undefined);
    passThrough(cache, [1, 2, 3]);
    cache.clear();
    expect([cache.availableBlocks, cache.residentBlocks]).toEqual([3, 0]);
    passThrough(cache, [4, 5, 6]);
    expect(cache.countLeading(Uint32Array.of(4, 5, 6), 3)).toBe(3);
  });
});

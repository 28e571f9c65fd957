import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NIL } from "../../src/routing/claim-pages.ts";
import { CLAIM_BYTES, ClaimTable } from "../../src/routing/claim-table.ts";
import { seededRandom } from "../../src/routing/random.ts";
import { RECENT_CLAIM_BYTES, RecentClaims } from "../../src/routing/recent-claims.ts";

const PODS = 40;
/** Few distinct words, so that buckets, segments and pods collide; the high words differ in their top bits or not. */
const segment = fc
  .record({ low: fc.nat(5), high: fc.constantFrom(0, 1, 2 ** 31) })
  .map(({ low, high }) => Uint32Array.of(low, high));
const word = fc.nat(2 ** 32 - 1);
/** Enough pods that a segment becomes much-held, over more than one word of bits, and ceases to be. */
const pod = fc.nat(PODS - 1);
const operation = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant("put" as const), segment, pod, word }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("remove" as const), segment, pod }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clearPod" as const), pod }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("removeOldest" as const), pod }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

const SEGMENTS = [0, 1, 2, 3, 4, 5].flatMap((low) => [0, 1, 2 ** 31].map((high) => Uint32Array.of(low, high)));

/** The claims as plain maps: per pod its segments in the order of their last touch, with their words. */
class Model {
  readonly pods = Array.from({ length: PODS }, () => new Map<string, number>());

  apply(operation: Operation): void {
    const claims = this.claims(operation.pod);
    switch (operation.kind) {
      case "put":
        claims.delete(String(operation.segment));
        claims.set(String(operation.segment), operation.word);
        return;
      case "remove":
        claims.delete(String(operation.segment));
        return;
      case "clearPod":
        claims.clear();
        return;
      case "removeOldest":
        for (const oldest of claims.keys()) {
          claims.delete(oldest);
          return;
        }
    }
  }

  claims(pod: number): Map<string, number> {
    return this.pods[pod] as Map<string, number>;
  }
}

function apply(recent: RecentClaims, operation: Operation): void {
  switch (operation.kind) {
    case "put":
      recent.touch(operation.segment, 0, operation.pod, operation.word);
      return;
    case "remove":
      recent.remove(operation.segment, 0, operation.pod);
      return;
    case "clearPod":
      recent.clearPod(operation.pod);
      return;
    case "removeOldest": {
      const oldest = recent.oldest(operation.pod);
      if (oldest !== NIL) recent.delete(oldest);
    }
  }
}

/** What the table says of every segment and pod, by each of its ways to ask. */
function expectEqual(table: ClaimTable, model: Model): void {
  let size = 0;
  const everyone = new Uint32Array(PODS).fill(0xffff_ffff);
  for (let pod = 0; pod < PODS; pod++) {
    const claims = model.claims(pod);
    size += claims.size;
    expect(table.podSize(pod)).toBe(claims.size);
    const kept = [...table.podClaims(pod)].map((claim): [string, number] => {
      expect(table.owner(claim)).toBe(pod);
      return [`${table.low(claim)},${table.high(claim)}`, table.word(claim)];
    });
    expect(new Map(kept)).toEqual(claims);
    expect(kept).toHaveLength(claims.size);
    const words = [...claims.keys()].map((key) => key.split(",").map(Number) as [number, number]);
    expect(table.podDigest(pod)).toEqual({
      low: words.reduce((sum, [low]) => (sum + low) >>> 0, 0),
      high: words.reduce((sum, [, high]) => (sum + high) >>> 0, 0),
    });
  }
  expect(table.size).toBe(size);
  for (const segment of SEGMENTS) {
    const row = new Uint32Array(PODS);
    const words = new Uint32Array(PODS);
    const depths = new Uint32Array(PODS);
    table.holdersInto(segment, 0, row, 1);
    table.noteHolders(segment, 0, everyone, 1, { words, depths, depth: 7 });
    for (let pod = 0; pod < PODS; pod++) {
      const expected = model.claims(pod).get(String(segment));
      expect((((row[1 + (pod >>> 5)] as number) >>> (pod & 31)) & 1) === 1).toBe(expected !== undefined);
      expect(words[pod]).toBe(expected ?? 0);
      expect(depths[pod]).toBe(expected === undefined ? 0 : 7);
      expect(table.find(segment, 0, pod) !== NIL).toBe(expected !== undefined);
    }
  }
}

/** Hash words of segments, no two alike. */
function keysOf(count: number, seed = 1): Uint32Array {
  const random = seededRandom(seed);
  return new Uint32Array(2 * count).map((_, i) => (i % 2 === 0 ? random() * 2 ** 32 : i * 2_048 + seed));
}

describe("claims", () => {
  it("equal maps of recency-ordered sets under any sequence of operations", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 800, size: "max" }), (operations) => {
        const recent = new RecentClaims("by pod");
        const model = new Model();
        for (const operation of operations) {
          apply(recent, operation);
          model.apply(operation);
        }
        expectEqual(recent.table, model);
        // The order shows as the claims go, oldest first.
        for (let pod = 0; pod < PODS; pod++) {
          for (const segment of model.claims(pod).keys()) {
            const oldest = recent.oldest(pod);
            expect(`${recent.table.low(oldest)},${recent.table.high(oldest)}`).toBe(segment);
            recent.delete(oldest);
          }
          expect(recent.oldest(pod)).toBe(NIL);
        }
        expect(recent.table.size).toBe(0);
        expect(recent.usedBytes).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it("are ordered over all pods where lists are not by pod", () => {
    const recent = new RecentClaims("all together");
    const keys = keysOf(3);
    recent.touch(keys, 0, 5, 1);
    recent.touch(keys, 2, 3, 2);
    recent.touch(keys, 4, 4, 3);
    recent.touch(keys, 0, 5, 4);
    const order: number[] = [];
    for (let claim = recent.oldest(0); claim !== NIL; claim = recent.oldest(0)) {
      order.push(recent.table.word(claim));
      recent.delete(claim);
    }
    expect(order).toEqual([2, 3, 4]);
  });

  it("are all found through the table's growth, and their memory is given to new ones", () => {
    const count = 300_000;
    const keys = keysOf(count);
    const recent = new RecentClaims("by pod");
    const { table } = recent;
    for (let i = 0; i < count; i++) recent.touch(keys, 2 * i, i % 7, i);
    for (let i = 0; i < count; i++) {
      if (table.word(table.find(keys, 2 * i, i % 7)) !== i) expect.fail(`claim ${i} is lost`);
      if (table.find(keys, 2 * i, (i + 1) % 7) !== NIL) expect.fail(`claim ${i} is another pod's too`);
    }
    const full = recent.allocatedBytes;
    for (let pod = 0; pod < 7; pod++) expect(recent.clearPod(pod)).toBeGreaterThan(42_000);
    expect(table.size).toBe(0);
    const others = keysOf(count, 2);
    for (let i = 0; i < count; i++) recent.touch(others, 2 * i, (i % 7) + 7, i);
    expect(recent.allocatedBytes).toBeLessThan(full * 1.02);
    for (let i = 0; i < count; i += 2) recent.remove(others, 2 * i, (i % 7) + 7);
    for (let i = 0; i < count; i++) {
      if ((table.find(others, 2 * i, (i % 7) + 7) !== NIL) !== (i % 2 === 1)) expect.fail(`claim ${i} is wrong`);
    }
  });

  it("cost what they are counted at: 24 bytes, 32 where their order is kept, at any size of the table", () => {
    const keys = keysOf(1_000_000);
    const plain = new ClaimTable();
    const recent = new RecentClaims("by pod");
    for (let i = 0; i < 1_000_000; i++) {
      plain.put(keys, 2 * i, i % 100, i);
      if (i < 300_000) recent.touch(keys, 2 * i, i % 100, i);
      if (i % 50_000 === 0 && i >= 500_000) expect(plain.allocatedBytes / plain.size).toBeLessThan(CLAIM_BYTES);
    }
    expect(plain.usedBytes).toBe(1_000_000 * CLAIM_BYTES);
    expect(recent.usedBytes).toBe(300_000 * RECENT_CLAIM_BYTES);
    expect(recent.allocatedBytes / 300_000).toBeLessThan(RECENT_CLAIM_BYTES * 1.03);
  });

  it("cost at most two thirds more where each segment is held by many pods", () => {
    for (const holders of [2, 7, 8, 9, 14, 30, 100, 1_000, 4_096]) {
      const table = new ClaimTable();
      const segments = Math.ceil(40_000 / holders);
      const keys = keysOf(segments);
      for (let i = 0; i < segments; i++) {
        for (let pod = 0; pod < holders; pod++) table.put(keys, 2 * i, pod, pod);
      }
      expect(table.usedBytes / table.size, `${holders} holders`).toBeLessThan(CLAIM_BYTES * 1.67);
      expect(table.allocatedBytes, `${holders} holders`).toBeLessThan(table.usedBytes + 1_000_000 + 1_024 * holders);
      for (let pod = 0; pod < holders; pod++) table.clearPod(pod);
      expect(table.usedBytes).toBe(0);
    }
  });

  it("refuse a pod number that a table cannot tell apart", () => {
    expect(() => new ClaimTable().put(keysOf(1), 0, 4_096, 0)).toThrow(RangeError);
  });
});

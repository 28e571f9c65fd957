import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ClaimSpool } from "../../../src/collector/push/claim-spool.ts";
import type { ClaimChange } from "../../../src/protocol/push-message.ts";

function store(pod: string, segments = 4, epoch = "e1"): ClaimChange {
  return {
    kind: "store",
    pod,
    epoch,
    tier: "gpu",
    segments: new Uint8Array(8 * segments),
    tokens: new Uint8Array(4 * segments),
  };
}

function clear(pod: string, epoch = "e1"): ClaimChange {
  return { kind: "clear", pod, epoch };
}

const ALL = Number.MAX_SAFE_INTEGER;

describe("ClaimSpool", () => {
  it("gives back what was added, in order within each pod", () => {
    const spool = new ClaimSpool(ALL);
    const a = [store("a", 1), store("a", 2), store("a", 3)];
    const b = [store("b", 1), store("b", 2)];
    for (const change of [a[0], b[0], a[1], b[1], a[2]]) if (change) spool.add(change);
    const taken = spool.take(ALL);
    expect(taken.filter(({ pod }) => pod === "a")).toEqual(a);
    expect(taken.filter(({ pod }) => pod === "b")).toEqual(b);
    expect(spool.isEmpty).toBe(true);
  });

  it("forgets what waits before a clear", () => {
    const spool = new ClaimSpool(ALL);
    for (const change of [store("a"), store("b"), clear("a"), store("a", 9)]) spool.add(change);
    expect(spool.take(ALL).filter(({ pod }) => pod === "a")).toEqual([clear("a"), store("a", 9)]);
  });

  it("takes no more than a message may hold, and one change at least", () => {
    const spool = new ClaimSpool(ALL);
    for (let n = 0; n < 5; n++) spool.add(store("a", 100));
    expect(spool.take(3000)).toHaveLength(2);
    expect(spool.take(1)).toHaveLength(1);
    expect(spool.take(ALL)).toHaveLength(2);
  });

  it("lets every pod have its turn", () => {
    const spool = new ClaimSpool(ALL);
    for (let n = 0; n < 5; n++) spool.add(store("a", 100));
    spool.add(store("b"));
    spool.take(2000);
    expect(spool.take(2000).map(({ pod }) => pod)).toContain("b");
  });

  it("turns the fullest pod's changes into one restate when it overflows, and resyncs it once that has arrived", () => {
    const spool = new ClaimSpool(5000);
    spool.add(store("b", 10));
    for (let n = 0; n < 10; n++) spool.add(store("a", 100, "e7"));
    expect(spool.overflows).toBe(1);
    const taken = spool.take(ALL);
    expect(taken).toEqual([store("b", 10), { ...clear("a", "e7"), kind: "restate" }]);
    expect(spool.arrived(taken)).toEqual(["a"]);
    spool.add(store("a"));
    expect(spool.take(ALL)).toEqual([store("a")]);
  });

  it("names a newer epoch for a pod that overflowed", () => {
    const spool = new ClaimSpool(500);
    for (let n = 0; n < 5; n++) spool.add(store("a", 20));
    spool.add(clear("a", "e2"));
    const taken = spool.take(ALL);
    expect(taken).toEqual([clear("a", "e2")]);
    expect(spool.arrived(taken)).toEqual(["a"]);
  });

  it("waits with the resync for the last clear of the pod", () => {
    const spool = new ClaimSpool(500);
    for (let n = 0; n < 5; n++) spool.add(store("a", 20));
    const first = spool.take(ALL);
    spool.add(clear("a", "e2"));
    expect(spool.arrived(first)).toEqual([]);
    expect(spool.arrived(spool.take(ALL))).toEqual(["a"]);
  });

  it("does not forget that a cache became empty", () => {
    const spool = new ClaimSpool(1000);
    spool.add(clear("a"));
    for (let i = 0; i < 40; i++) spool.add(store("a", 10));
    expect(spool.take(ALL)).toEqual([clear("a")]);
  });

  it("begins pods anew whose changes will never arrive", () => {
    const spool = new ClaimSpool(ALL);
    spool.add(store("a"));
    const taken = spool.take(ALL);
    spool.add(store("a", 2));
    spool.lost(taken);
    const retaken = spool.take(ALL);
    expect(retaken).toEqual([{ ...clear("a"), kind: "restate" }]);
    expect(spool.arrived(retaken)).toEqual(["a"]);
  });

  it("stays within its bound and keeps its count, whatever is added and taken", () => {
    const pod = fc.constantFrom("a", "b", "c");
    const step = fc.oneof(
      fc.record({ do: fc.constant("store" as const), pod, segments: fc.integer({ min: 1, max: 40 }) }),
      fc.record({ do: fc.constant("clear" as const), pod }),
      fc.record({ do: fc.constant("drop" as const), pod }),
      fc.record({ do: fc.constant("take" as const), maxBytes: fc.integer({ min: 0, max: 3000 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const maxBytes = 2000;
        const spool = new ClaimSpool(maxBytes);
        for (const one of steps) {
          if (one.do === "store") spool.add(store(one.pod, one.segments));
          else if (one.do === "clear") spool.add(clear(one.pod));
          else if (one.do === "drop") spool.drop(one.pod);
          else spool.arrived(spool.take(one.maxBytes));
          expect(spool.bytes).toBeLessThanOrEqual(maxBytes);
        }
        spool.take(ALL);
        expect(spool.bytes).toBe(0);
        expect(spool.isEmpty).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

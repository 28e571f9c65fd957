import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rendezvous } from "../../src/edge/rendezvous.ts";

const ids = Array.from({ length: 10 }, (_, i) => `local/default/engine-${i}/8000`);
const keys = Array.from({ length: 2_000 }, (_, i) => `${i * 7}-${i}`);

describe("rendezvous hashing", () => {
  it("gives a key the same id in whatever order they are listed, and none if there are none", () => {
    fc.assert(
      fc.property(fc.string(), fc.shuffledSubarray(ids, { minLength: 1 }), (key, some) => {
        expect(rendezvous(some, key)).toBe(rendezvous([...some].reverse(), key));
      }),
    );
    expect(rendezvous([], "key")).toBeUndefined();
  });

  it("spreads keys evenly", () => {
    const counts = ids.map((id) => keys.filter((key) => rendezvous(ids, key) === id).length);
    expect(Math.min(...counts)).toBeGreaterThan(150);
    expect(Math.max(...counts)).toBeLessThan(250);
  });

  it("moves only the keys of an id that goes", () => {
    const gone = ids[3];
    const rest = ids.filter((id) => id !== gone);
    for (const key of keys) {
      const before = rendezvous(ids, key);
      if (before !== gone) expect(rendezvous(rest, key)).toBe(before);
    }
  });
});

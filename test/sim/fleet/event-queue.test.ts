import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventQueue } from "../../../src/sim/fleet/event-queue.ts";

describe("EventQueue", () => {
  it("hands events out by time, equal times in the order they came", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 3_000 }), (times) => {
        const queue = new EventQueue();
        for (const [i, timeMs] of times.entries()) queue.add(timeMs, i % 3, i);
        const taken: { timeMs: number; kind: number; argument: number }[] = [];
        while (queue.take()) taken.push({ timeMs: queue.timeMs, kind: queue.kind, argument: queue.argument });
        const expected = times.map((timeMs, i) => ({ timeMs, kind: i % 3, argument: i }));
        expect(taken).toEqual(expected.toSorted((a, b) => a.timeMs - b.timeMs || a.argument - b.argument));
      }),
      { numRuns: 30 },
    );
  });

  it("takes events that are added while others are taken", () => {
    const queue = new EventQueue();
    queue.add(5, 0, 1);
    queue.add(1, 0, 2);
    queue.take();
    queue.add(3, 0, 3);
    queue.add(5, 0, 4);
    const left: number[] = [];
    while (queue.take()) left.push(queue.argument);
    expect(left).toEqual([3, 1, 4]);
  });
});

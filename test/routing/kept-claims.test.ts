import { describe, expect, it } from "vitest";
import { KeepingOrder } from "../../src/routing/kept-claims.ts";

const pods = (count: number) => Array.from({ length: count }, (_, i) => `pod-${i}`);

/** Ticks once a second and notes which pods are kept in each. */
function ticks(changed: readonly string[], bytesEach: number, seconds: number): string[][] {
  const order = new KeepingOrder();
  return Array.from({ length: seconds }, (_, second) => {
    const due = order.due(changed, () => bytesEach, 1_000 * second);
    for (const pod of due) order.done(pod, 1_000 * second);
    return due;
  });
}

describe("the order in which claims are kept", () => {
  it("keeps a pod that always changes once a minute", () => {
    const kept = ticks(["pod-0"], 1_000, 200).flatMap((due, second) => (due.length > 0 ? [second] : []));
    expect(kept).toEqual([0, 60, 120, 180]);
  });

  it("writes no more than four rows a tick, and no more than 1 MB in more than one", () => {
    expect(ticks(pods(10), 1_000, 3).map(({ length }) => length)).toEqual([4, 4, 2]);
    expect(ticks(pods(10), 300_000, 4).map(({ length }) => length)).toEqual([3, 3, 3, 1]);
    expect(ticks(pods(2), 5_000_000, 3).map(({ length }) => length)).toEqual([1, 1, 0]);
  });

  it("comes to every pod in turn where there are more than a minute's worth", () => {
    const times = new Map<string, number[]>();
    for (const [second, due] of ticks(pods(400), 1_000, 300).entries()) {
      for (const pod of due) times.set(pod, [...(times.get(pod) ?? []), second]);
    }
    expect(times.size).toBe(400);
    for (const [first, second = Number.NaN] of times.values()) expect(second - (first as number)).toBe(100);
  });

  it("takes what was found at the start for older than anything", () => {
    const order = new KeepingOrder();
    order.done("new", 0);
    order.found("old");
    expect(order.due(["new", "old"], () => 1, 1_000)).toEqual(["old"]);
  });
});

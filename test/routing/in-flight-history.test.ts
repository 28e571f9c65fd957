import { describe, expect, it } from "vitest";
import { InFlightHistory } from "../../src/routing/in-flight-history.ts";

describe("in-flight history", () => {
  it("tells the count that held at a moment", () => {
    const history = new InFlightHistory();
    history.record(1_000, 1);
    history.record(1_100, 2);
    history.record(1_110, 3);
    history.record(2_000, 0);
    expect([500, 1_000, 1_060, 1_160, 1_999, 2_000, 9_000].map((at) => history.at(at))).toEqual([0, 1, 1, 3, 3, 0, 0]);
  });

  it("answers with the oldest count it keeps for a moment before it", () => {
    const history = new InFlightHistory();
    for (let i = 0; i < 500; i++) history.record(i * 100, i);
    expect(history.at(0)).toBe(500 - 64);
  });

  it("tells the share of the time in which there was a lease, with a memory of a minute", () => {
    const history = new InFlightHistory();
    expect(history.busyShare(5_000)).toBe(0);
    history.record(0, 1);
    history.record(10_000, 2);
    expect(history.busyShare(60_000)).toBeCloseTo(1 - Math.exp(-1));
    history.record(60_000, 0);
    expect(history.busyShare(120_000)).toBeCloseTo((1 - Math.exp(-1)) * Math.exp(-1));
    expect(history.busyShare(1e9)).toBeCloseTo(0);
  });

  it("tells the tokens of a moment beside the count", () => {
    const history = new InFlightHistory();
    history.record(1_000, 1, 500);
    history.record(2_000, 2, 900);
    expect([0, 1_500, 2_500].map((at) => history.startedTokensAt(at))).toEqual([0, 500, 900]);
  });
});

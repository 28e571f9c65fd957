import { describe, expect, it } from "vitest";
import { blockIds, type FleetCall, type Workload } from "../../../src/sim/fleet/workload.ts";

function callOf(...runs: number[]): FleetCall {
  return { promptTokens: 1, outputTokens: 1, thinkMs: 0, runs: Uint32Array.from(runs), session: 0, next: undefined };
}

const workload: Workload = { unitTokens: 64, idSpace: 1_000, kind: "open", arrivals: [] };

describe("blockIds", () => {
  it("names a block of several units by its last one and drops the rest", () => {
    expect([...blockIds(callOf(0, 9), workload, 256, 0)]).toEqual([3, 7]);
    expect([...blockIds(callOf(0, 3, 50, 2, 90, 4), workload, 256, 0)]).toEqual([50, 92]);
  });

  it("cuts a unit into blocks", () => {
    expect([...blockIds(callOf(7, 1, 3, 1), workload, 16, 0)]).toEqual([28, 29, 30, 31, 12, 13, 14, 15]);
  });

  it("is the units themselves where sizes agree", () => {
    expect([...blockIds(callOf(7, 2), workload, 64, 0)]).toEqual([7, 8]);
  });

  it("shares nothing between copies", () => {
    expect([...blockIds(callOf(0, 4), workload, 256, 2)]).toEqual([2_003]);
    expect([...blockIds(callOf(0, 1), workload, 16, 2)]).toEqual([8_000, 8_001, 8_002, 8_003]);
  });
});

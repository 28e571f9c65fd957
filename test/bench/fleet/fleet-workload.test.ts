import { describe, expect, it } from "vitest";
import { type FleetTrace, readFleetTrace } from "../../../src/bench/fleet/fleet-calls.ts";
import { fleetWorkload } from "../../../src/bench/fleet/fleet-workload.ts";
import { engineProfiles } from "../../../src/sim/engine/step-time.ts";
import { prefillMs } from "../../../src/sim/fleet/bounds.ts";
import type { FleetArrival, Workload } from "../../../src/sim/fleet/workload.ts";
import { traceFile } from "../traces/trace-files.ts";

const profile = engineProfiles["llama-3.1-8b-h100"];
const plain = { mostTokens: 120_000, commonTokens: 0, seed: 1 };

function read(name: string, options = plain): Promise<FleetTrace> {
  return readFleetTrace(traceFile(name), options);
}

function arrivalsOf(workload: Workload): readonly FleetArrival[] {
  if (workload.kind !== "open") throw new Error("not open");
  return workload.arrivals;
}

describe("readFleetTrace", () => {
  it("cuts recorded agents to what a 128k model can replay", async () => {
    const { sessions, kind } = await read("coding_agents_a");
    const calls = sessions.flat().map(({ call }) => call);
    expect([kind, sessions.length, calls.length]).toEqual(["closed", 315, 13_240]);
    const tokens = calls.reduce((sum, { promptTokens }) => sum + promptTokens, 0);
    expect(Math.round(tokens / calls.length)).toBe(73_458);
    expect(Math.max(...calls.map(({ thinkMs }) => thinkMs))).toBe(60_000);
  });

  it("gives all sessions a common beginning on demand", async () => {
    const { sessions } = await read("coding_agents_a", { ...plain, commonTokens: 12_000 });
    for (const { call } of sessions.flat()) {
      expect([...call.runs.subarray(0, 2)]).toEqual([0, Math.min(187, Math.floor(call.promptTokens / 64))]);
    }
  });

  it("has recorded texts in the tokens of the simulated engines, and their openings", async () => {
    const { sessions, unitTokens } = await read("toolchat_text_a");
    const calls = sessions.flat().map(({ call }) => call);
    expect([unitTokens, calls.length]).toEqual([16, 1_398]);
    expect(calls.reduce((sum, { promptTokens }) => sum + promptTokens, 0)).toBe(4_022_205);
    expect(new Set(sessions[0]?.map(({ call }) => call.opening)).size).toBe(1);
    expect(new Set(calls.map(({ opening }) => opening)).size).toBeGreaterThan(50);
  });

  it("reads every other kind of trace", async () => {
    for (const [name, kind] of [
      ["mooncake_synthetic_part1", "open"],
      ["azure2023_code_part1", "open"],
      ["agent_text_a", "closed"],
      ["toolchat_text_a", "closed"],
      ["servegen_rates_m_small", "open"],
    ] as const) {
      const trace = await read(name);
      expect([name, trace.kind]).toEqual([name, kind]);
      for (const { call } of trace.sessions.flat().slice(0, 2_000)) {
        let units = 0;
        for (let i = 1; i < call.runs.length; i += 2) units += call.runs[i] as number;
        expect(units).toBe(Math.floor(call.promptTokens / trace.unitTokens));
        for (let i = 0; i < call.runs.length; i += 2) expect(call.runs[i]).toBeLessThan(trace.idSpace);
      }
    }
  });
});

describe("fleetWorkload", () => {
  it("puts just the asked load on the fleet, whatever its size", async () => {
    const trace = await read("mooncake_synthetic_part1");
    for (const pods of [8, 32]) {
      const arrivals = arrivalsOf(fleetWorkload(trace, { kind: "load", load: 0.5 }, { pods, profile, seed: 1 }));
      const workMs = arrivals.reduce((sum, { call }) => sum + prefillMs(profile, call.promptTokens, 0, 8_192), 0);
      expect(workMs / pods / (arrivals.at(-1)?.atMs ?? 0)).toBeCloseTo(0.5, 1);
      expect(new Set(arrivals.map(({ copy }) => copy)).size).toBe(pods / 8);
    }
  });

  it("spreads what a coarse clock recorded at one time, in its order", async () => {
    const trace = await read("mooncake_conversation_part1");
    const arrivals = arrivalsOf(fleetWorkload(trace, { kind: "load", load: 0.3 }, { pods: 8, profile, seed: 1 }));
    const times = arrivals.map(({ atMs }) => atMs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(new Set(times).size).toBeGreaterThan(0.99 * times.length);
    const again = arrivalsOf(fleetWorkload(trace, { kind: "load", load: 0.3 }, { pods: 8, profile, seed: 1 }));
    expect(again.map(({ atMs }) => atMs)).toEqual(times);
  });
});

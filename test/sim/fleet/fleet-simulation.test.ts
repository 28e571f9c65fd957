import { describe, expect, it } from "vitest";
import { POLICIES } from "../../../src/routing/policies/registry.ts";
import { engineProfiles } from "../../../src/sim/engine/step-time.ts";
import { estimatedTtft, omniscient } from "../../../src/sim/fleet/bounds.ts";
import type { FleetRouterMaker } from "../../../src/sim/fleet/fleet-router.ts";
import { type FleetProfileName, type FleetSetup, fleetSetup } from "../../../src/sim/fleet/fleet-setup.ts";
import { type FleetResult, simulateFleet } from "../../../src/sim/fleet/fleet-simulation.ts";
import { productionRouter } from "../../../src/sim/fleet/production-router.ts";
import { SCENARIOS } from "../../../src/sim/fleet/scenarios.ts";
import type { FleetCall, Workload } from "../../../src/sim/fleet/workload.ts";

const PODS = 4;
const HORIZON_MS = 120_000;
const profile = { ...engineProfiles["llama-3.1-8b-h100"], kvTokens: 60_000 };

/** Conversations that grow by two units a turn behind a common beginning. */
const sessions = Array.from({ length: 30 }, (_, session) => {
  let next: FleetCall | undefined;
  const calls: FleetCall[] = [];
  for (let turn = 9; turn >= 0; turn--) {
    const own = 60 + 2 * turn;
    const runs = Uint32Array.of(0, 20, 100 + session * 100, own);
    next = { promptTokens: 64 * (20 + own) + 9, outputTokens: 50 + session, thinkMs: 2_000, runs, session, next };
    calls.push(next);
  }
  return calls.reverse();
});

const closed: Workload = {
  unitTokens: 64,
  idSpace: 4_000,
  kind: "closed",
  sessions,
  concurrent: 12,
  horizonMs: HORIZON_MS,
};

function played(
  maker: FleetRouterMaker,
  change: Partial<FleetSetup> = {},
  name: FleetProfileName = "reference",
): FleetResult {
  return simulateFleet(closed, { ...fleetSetup(name, profile, PODS, 1), ...change }, maker);
}

function hitTokens({ log }: FleetResult): number {
  return log.hitTokens.reduce((sum, tokens) => sum + tokens, 0);
}

/** Every request has ended, in the order of its times. */
function expectAllEnded({ log, refused }: FleetResult): void {
  expect(refused).toBe(0);
  expect(log.size).toBeGreaterThan(100);
  for (let i = 0; i < log.size; i++) {
    expect(log.firstTokenMs[i]).toBeGreaterThan(log.arrivalMs[i] as number);
    expect(log.endMs[i]).toBeGreaterThanOrEqual(log.firstTokenMs[i] as number);
    expect(log.hitTokens[i]).toBeLessThan(log.promptTokens[i] as number);
  }
}

describe.each(POLICIES)("the production router with $name", ({ name }) => {
  it("answers every request, and the same way each time", () => {
    const first = played(productionRouter(name));
    expectAllEnded(first);
    const second = played(productionRouter(name));
    expect(second.log.firstTokenMs).toEqual(first.log.firstTokenMs);
    expect(second.prefilledTokens).toEqual(first.prefilledTokens);
  });
});

describe("simulateFleet", () => {
  it("plays each session once on demand, all of them from the start", () => {
    const workload: Workload = { ...closed, once: true, horizonMs: Number.POSITIVE_INFINITY };
    const result = simulateFleet(workload, fleetSetup("fine", profile, PODS, 1), productionRouter("least-request"));
    expectAllEnded(result);
    expect(result.log.size).toBe(sessions.flat().length);
    expect([...result.log.arrivalMs.subarray(0, 13)].filter((atMs) => atMs === 0)).toHaveLength(12);
  });

  it.each(SCENARIOS)("loses no request: $name", ({ changes }) => {
    const change = changes({ pods: PODS, durationMs: HORIZON_MS });
    expectAllEnded(played(productionRouter("warmpath"), change));
    expectAllEnded(played(omniscient, change));
    expectAllEnded(played(estimatedTtft, change));
  });

  it("accounts for every prompt token: computed or taken from a cache", () => {
    const result = played(productionRouter("warmpath"));
    const { log, prefilledTokens } = result;
    const prompt = log.promptTokens.reduce((sum, tokens) => sum + tokens, 0);
    const computed = prefilledTokens.reduce((sum, tokens) => sum + tokens, 0);
    expect(computed + hitTokens(result)).toBe(prompt);
  });

  it("hits most with one cache for all, less with its own cache each, least at random", () => {
    const pooled = hitTokens(played(omniscient, { pooledCache: true }));
    const own = hitTokens(played(productionRouter("warmpath")));
    const random = hitTokens(played(productionRouter("random")));
    expect(pooled).toBeGreaterThan(own);
    expect(own).toBeGreaterThan(random);
  });

  it("resends what a dead pod had and uses it again when it is back", () => {
    const incidents = [
      { atMs: 30_000, kind: "down", pod: 1 },
      { atMs: 60_000, kind: "up", pod: 1 },
    ] as const;
    const busy = { ...closed, concurrent: 30 };
    const setup = { ...fleetSetup("reference", profile, PODS, 1), incidents };
    const result = simulateFleet(busy, setup, productionRouter("round-robin"));
    expectAllEnded(result);
    const { log, resent } = result;
    expect(resent).toBeGreaterThan(0);
    const onPod = (fromMs: number, toMs: number): number => {
      let count = 0;
      for (let i = 0; i < log.size; i++) {
        const atMs = log.arrivalMs[i] as number;
        if (log.pod[i] === 1 && atMs > fromMs && atMs < toMs) count++;
      }
      return count;
    };
    expect(onPod(30_000, 60_000)).toBe(0);
    expect(onPod(61_000, HORIZON_MS)).toBeGreaterThan(10);
  });

  it("adds the way to other regions and back to the time to first token", () => {
    const least = ({ log }: FleetResult): number =>
      Math.min(
        ...Array.from({ length: log.size }, (_, i) => (log.firstTokenMs[i] as number) - (log.arrivalMs[i] as number)),
      );
    const near = least(played(productionRouter("warmpath")));
    const far = least(played(productionRouter("warmpath"), { rtt: { rttMs: [[40]] } }));
    expect(far).toBeCloseTo(near + 40, -1);
  });

  it("plays the fine model: small blocks, preemption, answers that come back", () => {
    const fine = played(productionRouter("warmpath"), {}, "fine");
    expectAllEnded(fine);
    expect(hitTokens(fine)).toBeGreaterThan(hitTokens(played(productionRouter("warmpath"))));
  });

  it("names the policies there are for an unknown one", () => {
    expect(() => played(productionRouter("no-such"))).toThrow(/no policy "no-such"; there are warmpath/);
  });
});

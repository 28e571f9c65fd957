import { describe, expect, it } from "vitest";
import { engineProfiles } from "../../../src/sim/engine/step-time.ts";
import { type FleetSetup, fleetSetup } from "../../../src/sim/fleet/fleet-setup.ts";
import { type FleetResult, simulateFleet } from "../../../src/sim/fleet/fleet-simulation.ts";
import { type ProductionSetup, productionRouter } from "../../../src/sim/fleet/production-router.ts";
import { SCENARIOS } from "../../../src/sim/fleet/scenarios.ts";
import type { FleetCall, Workload } from "../../../src/sim/fleet/workload.ts";

const PODS = 3;
const SPAN_MS = 20_000;
const profile = { ...engineProfiles["llama-3.1-8b-h100"], kvTokens: 60_000 };

/** Single prompts, mostly of 2,000 tokens and every tenth of 30,000, so many a second. */
function arrivals(perS: number): Workload {
  let unit = 0;
  const all = Array.from({ length: (perS * SPAN_MS) / 1_000 }, (_, i) => {
    const units = i % 10 === 0 ? 469 : 31;
    const runs = Uint32Array.of(unit, units);
    unit += units;
    const call: FleetCall = {
      promptTokens: 64 * units + 9,
      outputTokens: 100,
      thinkMs: 0,
      runs,
      session: i,
      next: undefined,
    };
    return { atMs: (1_000 * i) / perS, call, copy: 0 };
  });
  return { unitTokens: 64, idSpace: unit, kind: "open", arrivals: all };
}

const overload = arrivals(30);
const waiting: ProductionSetup = { rules: { queue: { mostWaiting: 1e9 } }, deadlineMs: 1e9 };

function played(
  policy: string,
  setup: ProductionSetup,
  { workload = overload, change = {} }: { workload?: Workload; change?: Partial<FleetSetup> } = {},
): FleetResult {
  return simulateFleet(
    workload,
    { ...fleetSetup("reference", profile, PODS, 1), ...change },
    productionRouter(policy, setup),
  );
}

/** Times to first token of the answered, shortest first. */
function ttftsMs({ log }: FleetResult, of: (promptTokens: number) => boolean): number[] {
  const times: number[] = [];
  for (let i = 0; i < log.size; i++) {
    const ttftMs = (log.firstTokenMs[i] as number) - (log.arrivalMs[i] as number);
    if (of(log.promptTokens[i] as number) && !Number.isNaN(ttftMs)) times.push(ttftMs);
  }
  return times.sort((a, b) => a - b);
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const all = () => true;

describe("an overloaded fleet whose router holds requests", () => {
  it.each(["warmpath", "least-request"])("answers all of them, the same way each time: %s", (name) => {
    const first = played(name, waiting);
    expect(first.refused).toBe(0);
    expect(ttftsMs(first, all)).toHaveLength(overload.kind === "open" ? overload.arrivals.length : 0);
    expect(played(name, waiting).log.firstTokenMs).toEqual(first.log.firstTokenMs);
  });

  it("lets small prompts pass large ones, which come later for it", () => {
    const held = played("warmpath", waiting);
    const sent = played("warmpath", {});
    expect(mean(ttftsMs(held, all))).toBeLessThan(mean(ttftsMs(sent, all)) / 2);
    const large = (tokens: number) => tokens > 20_000;
    expect(mean(ttftsMs(held, large))).toBeGreaterThan(mean(ttftsMs(sent, large)));
  });

  it("refuses whom it could not serve in time, and answers most of the rest in time", () => {
    const deadlineMs = 2_000;
    const { refused, ...result } = played("warmpath", { rules: {}, deadlineMs });
    const times = ttftsMs(result as FleetResult, all);
    expect(refused).toBeGreaterThan(0);
    expect(refused + times.length).toBe(result.log.size);
    expect(times.filter((ms) => ms <= deadlineMs).length / times.length).toBeGreaterThan(0.97);
  });
});

describe("a fleet with room", () => {
  it("makes nobody wait longer than one that holds nobody", () => {
    const workload = arrivals(4);
    const held = mean(ttftsMs(played("warmpath", waiting, { workload }), all));
    expect(held).toBeLessThan(1.02 * mean(ttftsMs(played("warmpath", {}, { workload }), all)));
  });
});

it.each(SCENARIOS)("no held request is lost: $name", ({ changes }) => {
  const change = changes({ pods: PODS, durationMs: SPAN_MS });
  const { log, refused } = played("warmpath", waiting, { workload: arrivals(15), change });
  expect(refused).toBe(0);
  for (let i = 0; i < log.size; i++) expect(log.endMs[i]).toBeGreaterThan(log.arrivalMs[i] as number);
});

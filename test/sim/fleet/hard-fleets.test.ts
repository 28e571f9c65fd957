import { describe, expect, it } from "vitest";
import { randomStream } from "../../../src/sim/engine/random-stream.ts";
import { engineProfiles } from "../../../src/sim/engine/step-time.ts";
import { omniscient } from "../../../src/sim/fleet/bounds.ts";
import type { FleetRouterMaker } from "../../../src/sim/fleet/fleet-router.ts";
import { type FleetSetup, fleetSetup } from "../../../src/sim/fleet/fleet-setup.ts";
import { type FleetResult, simulateFleet } from "../../../src/sim/fleet/fleet-simulation.ts";
import { productionRouter } from "../../../src/sim/fleet/production-router.ts";
import type { FleetArrival, Workload } from "../../../src/sim/fleet/workload.ts";

const UNIT_TOKENS = 512;
const DURATION_MS = 120_000;
const profile = engineProfiles["llama-3.1-8b-h100"];

/** A prompt of a shared beginning and units of its own. */
type Prompt = { readonly group: number; readonly sharedUnits: number; readonly ownUnits: number };

/** Requests at random times, `perS` a second, each with a prompt that `draw` makes up. */
function arrivals(perS: number, draw: (random: () => number) => Prompt): Workload {
  const random = randomStream(7);
  const list: FleetArrival[] = [];
  let nextOwn = 1_000_000;
  for (let atMs = 0; atMs < DURATION_MS; atMs += (1_000 / perS) * -Math.log(1 - random())) {
    const { group, sharedUnits, ownUnits } = draw(random);
    const runs = Uint32Array.of(group * 1_000, sharedUnits, nextOwn, ownUnits);
    nextOwn += ownUnits;
    const promptTokens = UNIT_TOKENS * (sharedUnits + ownUnits) + 40;
    const call = { promptTokens, outputTokens: 100, thinkMs: 0, runs, session: list.length, next: undefined };
    list.push({ atMs, copy: 0, call });
  }
  return { unitTokens: UNIT_TOKENS, idSpace: 2 ** 31, kind: "open", arrivals: list };
}

function played(workload: Workload, maker: FleetRouterMaker, pods: number, change: Partial<FleetSetup> = {}) {
  return simulateFleet(workload, { ...fleetSetup("reference", profile, pods, 1), ...change }, maker);
}

const warmpath = productionRouter("warmpath");

function meanTtftMs({ log }: FleetResult): number {
  let sum = 0;
  for (let i = 0; i < log.size; i++) sum += (log.firstTokenMs[i] as number) - (log.arrivalMs[i] as number);
  return sum / log.size;
}

/** Each pod's share of the requests that arrived in a time. */
function shares({ log }: FleetResult, pods: number, fromMs = 0, toMs = DURATION_MS): number[] {
  const counts = new Array<number>(pods).fill(0);
  let all = 0;
  for (let i = 0; i < log.size; i++) {
    const atMs = log.arrivalMs[i] as number;
    if (atMs < fromMs || atMs >= toMs) continue;
    counts[log.pod[i] as number] = (counts[log.pod[i] as number] ?? 0) + 1;
    all++;
  }
  return counts.map((count) => count / all);
}

/** One pod's gauges never reach the router. */
function withoutGauges(maker: FleetRouterMaker, silent: number): FleetRouterMaker {
  return (setting) => {
    const router = maker(setting);
    const report = router.report.bind(router);
    router.report = (reports, nowMs) => {
      const none = { running: undefined, waiting: undefined, kvUsage: undefined };
      report(
        reports.map((each) => (each.pod === silent ? { ...each, ...none } : each)),
        nowMs,
      );
    };
    return router;
  };
}

const leastRequest = productionRouter("least-request");

describe("warmpath", () => {
  it("spreads requests that share a system prompt and nothing else over the pods they need", () => {
    const workload = arrivals(40, () => ({ group: 0, sharedUnits: 8, ownUnits: 3 }));
    const result = played(workload, warmpath, 8);
    expect(meanTtftMs(result)).toBeLessThan(1.05 * meanTtftMs(played(workload, omniscient, 8)));
    expect(meanTtftMs(result)).toBeLessThan(1.05 * meanTtftMs(played(workload, leastRequest, 8)));
    expect(Math.max(...shares(result, 8)), "nobody is herded").toBeLessThan(0.25);
  });

  it("gives a prefix with four fifths of the traffic several pods, and the others theirs", () => {
    const workload = arrivals(30, (random) => ({
      group: random() < 0.8 ? 0 : 1 + Math.floor(random() * 20),
      sharedUnits: 16,
      ownUnits: 2,
    }));
    const result = played(workload, warmpath, 8);
    const ttftMs = meanTtftMs(result);
    expect(ttftMs).toBeLessThan(meanTtftMs(played(workload, leastRequest, 8)));
    expect(ttftMs).toBeLessThan(meanTtftMs(played(workload, productionRouter("chwbl"), 8)));
    expect(ttftMs, "it is copied as soon as a greedy router would").toBeLessThan(
      1.05 * meanTtftMs(played(workload, omniscient, 8)),
    );
    expect(Math.max(...shares(result, 8))).toBeLessThan(0.35);
    expect(Math.min(...shares(result, 8))).toBeGreaterThan(0);
  });

  it("uses both of two pods", () => {
    const workload = arrivals(8, (random) => ({ group: Math.floor(random() * 12), sharedUnits: 12, ownUnits: 3 }));
    const result = played(workload, warmpath, 2);
    expect(meanTtftMs(result)).toBeLessThan(1.05 * meanTtftMs(played(workload, omniscient, 2)));
    expect(Math.min(...shares(result, 2))).toBeGreaterThan(0.4);
  });

  it("neither floods nor starves a pod that reports no metrics", () => {
    const workload = arrivals(30, (random) => ({ group: Math.floor(random() * 40), sharedUnits: 12, ownUnits: 4 }));
    const result = played(workload, withoutGauges(warmpath, 0), 4);
    const share = shares(result, 4)[0] ?? 0;
    expect(share).toBeGreaterThan(0.5 / 4);
    expect(share).toBeLessThan(1.5 / 4);
    expect(meanTtftMs(result)).toBeLessThan(1.1 * meanTtftMs(played(workload, warmpath, 4)));
  });

  it("neither floods nor starves a pod that joins a hot fleet", () => {
    const workload = arrivals(40, (random) => ({ group: Math.floor(random() * 40), sharedUnits: 12, ownUnits: 4 }));
    const joinsAtMs = DURATION_MS / 2;
    const change: Partial<FleetSetup> = { incidents: [{ atMs: joinsAtMs, kind: "join", pod: 4 }] };
    const result = played(workload, warmpath, 4, change);
    for (const withinMs of [2_000, 10_000, 60_000]) {
      const share = shares(result, 5, joinsAtMs, joinsAtMs + withinMs)[4] ?? 0;
      expect(share).toBeGreaterThan(0.5 / 5);
      expect(share).toBeLessThan(2 / 5);
    }
    expect(meanTtftMs(result)).toBeLessThan(meanTtftMs(played(workload, warmpath, 4)));
    expect(meanTtftMs(result)).toBeLessThan(meanTtftMs(played(workload, omniscient, 4, change)));
  });
});

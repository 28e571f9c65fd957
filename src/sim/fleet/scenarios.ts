import type { FleetSetup, Incident } from "./fleet-setup.ts";

/** What a scenario may depend on. */
export type ScenarioFrame = { readonly pods: number; readonly durationMs: number };

/** A departure from the steady fleet. */
export type Scenario = {
  readonly name: string;
  readonly description: string;
  /** What changes in the fleet and in what its router knows. */
  readonly changes: (frame: ScenarioFrame) => Partial<FleetSetup>;
  /** Leading tokens that all recorded sessions have in common. */
  readonly commonTokens?: number;
  /** Demand of this scenario where none is given. */
  readonly demand?: { readonly load: number; readonly sessionsPerPod: number };
};

const KILLED_FOR_MS = 120_000;
const RTT_MS = { near: 1, regions: [30, 80, 150] } as const;

/** All scenarios; the first is a fleet where nothing happens. */
export const SCENARIOS: readonly Scenario[] = [
  { name: "steady", description: "equal pods, metrics 50 ms and events 10 ms late", changes: () => ({}) },
  {
    name: "common-prompt",
    description: "every agent session begins with the same 12,000 tokens",
    commonTokens: 12_000,
    changes: () => ({}),
  },
  {
    name: "pod-killed",
    description: "one pod down for 120 s: cache lost, its requests resent",
    changes: ({ durationMs }) => ({
      incidents: [
        { atMs: 0.4 * durationMs, kind: "down", pod: 0 },
        { atMs: 0.4 * durationMs + KILLED_FOR_MS, kind: "up", pod: 0 },
      ],
    }),
  },
  {
    name: "half-speed",
    description: "half of the pods at half the speed, and nobody is told",
    changes: ({ pods }) => ({
      incidents: numbers(Math.floor(pods / 2)).map((pod): Incident => ({ atMs: 0, kind: "slow", pod, factor: 2 })),
    }),
  },
  {
    name: "stale",
    description: "metrics and events 5 s late",
    changes: () => ({ scrapeMs: 5_000, eventDelayMs: 5_000 }),
  },
  {
    name: "lost-events",
    description: "1 % of the cache events never arrive and nobody notices",
    changes: () => ({ lostEventShare: 0.01 }),
  },
  {
    name: "scale",
    description: "half as many pods again join after a third of the time and drain after two",
    changes: ({ pods, durationMs }) => ({
      incidents: numbers(Math.ceil(pods / 2)).flatMap((i): Incident[] => [
        { atMs: durationMs / 3, kind: "join", pod: pods + i },
        { atMs: (2 * durationMs) / 3, kind: "drain", pod: pods + i },
      ]),
    }),
  },
  {
    name: "overload",
    description: "more work than the fleet can do",
    demand: { load: 0.7, sessionsPerPod: 9 },
    changes: () => ({}),
  },
  {
    name: "regions",
    description: "pods and clients in three regions, 30, 80 and 150 ms apart",
    changes: () => ({ rtt: { rttMs: regionRtt() } }),
  },
];

function regionRtt(): number[][] {
  const [first, second, third] = RTT_MS.regions;
  return [
    [RTT_MS.near, first, second],
    [first, RTT_MS.near, third],
    [second, third, RTT_MS.near],
  ];
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

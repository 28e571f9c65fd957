import type { Placement, RouteRequest } from "../../src/routing/placement.ts";
import type { PodFacts } from "../../src/routing/pod.ts";
import { type Random, seededRandom } from "../../src/routing/random.ts";
import { Router } from "../../src/routing/router.ts";
import { type GivenRules, routingRules } from "../../src/routing/routing-rules.ts";

/** What `randomTraffic` may be told. */
export type TrafficOptions = {
  readonly policy?: string;
  readonly policyParameters?: string;
  readonly seed?: number;
  readonly pods?: number;
  readonly steps?: number;
  readonly rules?: GivenRules;
  /** Instead of a source seeded by `seed`. */
  readonly random?: Random;
  /** Called between two steps. */
  readonly between?: (router: Router, nowMs: number) => void;
};

const SEGMENT_BYTES = 256;
export const NO_QUEUE: GivenRules = { queue: { enabled: false } };

export function requestOf(random: Random, policy: string, policyParameters?: string): RouteRequest {
  const chat = Math.floor(random() * 12);
  const segments = promptOf(chat, 4 + Math.floor(random() * 60));
  return {
    model: random() < 0.1 ? "adapter" : "m",
    ...(random() < 0.3 && { adapter: "adapter" }),
    policy,
    policyParameters,
    segments,
    segmentBytes: SEGMENT_BYTES,
    promptBytes: (segments.length / 2) * SEGMENT_BYTES + Math.floor(random() * SEGMENT_BYTES),
    choices: 1,
    session: random() < 0.7 ? `session-${chat}` : undefined,
    user: `user-${chat % 3}`,
    opening: `opening-${chat}`,
    origin: random() < 0.5 ? "AMS" : "SFO",
    sloTtftMs: random() < 0.2 ? 300 : undefined,
  };
}

/** A router and what random requests, answers, moves, failures and reports have made of it. Equal seeds, equal runs. */
export function randomTraffic(options: TrafficOptions = {}): { readonly router: Router; readonly nowMs: number } {
  const { policy = "warmpath", policyParameters, seed = 1, pods = 5, steps = 300, rules = NO_QUEUE } = options;
  const random = seededRandom(seed);
  let nowMs = 1_700_000_000_000;
  const router = new Router({ instance: `run-${seed}`, random: options.random ?? seededRandom(seed + 1), nowMs });
  router.configure(routingRules(rules), nowMs);
  const open: Placement[] = [];
  const facts = Array.from({ length: pods }, (_, i) => factsOf(i));
  let sequence = 0;
  const report = () => {
    const reported = facts.map((each) => ({
      facts: each,
      ...(random() < 0.8 && { gauges: gaugesOf(random, ++sequence) }),
    }));
    router.report({ source: "s", instance: "one", sequence: ++sequence, pods: reported, claims: [] }, nowMs);
  };
  report();
  for (let step = 0; step < steps; step++) {
    nowMs += Math.floor(random() * 200);
    if (random() < 0.2) report();
    if (random() < 0.6) {
      const placed = router.route(requestOf(random, policy, policyParameters), nowMs);
      if (placed.ok) open.push(placed);
    }
    const at = Math.floor(random() * open.length);
    const lease = open[at];
    const fate = random();
    if (lease !== undefined && fate < 0.5) {
      router.firstToken(lease.leaseId, 5 + random() * 400, nowMs);
      if (fate < 0.35) {
        open.splice(at, 1);
        const usage = { promptTokens: lease.promptTokens, cachedTokens: lease.matchedTokens, completionTokens: 40 };
        router.finish(lease.leaseId, { kind: "completed", ...usage }, nowMs);
      }
    } else if (lease !== undefined && fate < 0.55) {
      const moved = router.move(lease.leaseId, nowMs);
      open.splice(at, 1, ...(moved.ok ? [moved] : []));
    } else if (lease !== undefined && fate < 0.6) {
      open.splice(at, 1);
      router.finish(lease.leaseId, { kind: "client_left" }, nowMs);
    }
    options.between?.(router, nowMs);
  }
  return { router, nowMs };
}

function factsOf(index: number): PodFacts {
  return {
    id: `local/default/pod-${String(index).padStart(2, "0")}/8000`,
    cluster: index % 2 === 0 ? "near" : "far",
    epoch: "1",
    url: `http://pod-${index}:8000`,
    state: "ready",
    servedModels: ["m", "adapter"],
    ...(index !== 0 && { capacityTokens: 4_000 + 1_000 * index, blockTokens: 16, maxModelLen: 32_768 }),
    index: { mode: "approximate" },
  };
}

function gaugesOf(random: Random, total: number) {
  return {
    running: Math.floor(random() * 8),
    waiting: Math.floor(random() * 3),
    ...(random() < 0.9 && { kvUsage: random() }),
    utilization: random(),
    promptTokens: total * 1_000,
    generationTokens: total * 100,
    timedRequests: total * 2,
    queueS: total * 0.05,
    firstTokenS: total * 0.2,
    requestS: total,
    runningAdapters: random() < 0.5 ? ["adapter"] : [],
    waitingAdapters: [],
    mostAdapters: 2,
    ageMs: random() * 500,
  };
}

/** Prompts of one chat begin alike. */
function promptOf(chat: number, segments: number): Uint32Array {
  return Uint32Array.from({ length: segments * 2 }, (_, i) => Math.imul(chat * 1_000 + i + 1, 2_654_435_761) >>> 0);
}

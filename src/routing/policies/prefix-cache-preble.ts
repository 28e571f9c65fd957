import { type Candidate, type PolicyPlacement, type PolicyRequest, pickLowest, type Scorer } from "../policy.ts";
import { type PodPlacements, type PolicyMemory, type PolicyMemoryView, remember } from "../policy-memory.ts";
import { addToWindow, newSlidingWindow, windowSum } from "../sliding-window.ts";
import { definePolicy } from "./definition.ts";

/** A prompt of which more than this is cached somewhere goes where it is cached. */
const WARM_SHARE = 0.5;
const WINDOW_SLOTS = 9;
const MOST_PODS = 4_096;
const DECODE_TOKENS = 45;
const ASSUMED_TOKEN_MS = 150;
const PREFILL_EFFICIENCY = 0.9;

/**
 * Prefill times of Mistral-7B by the regressions that AIBrix carries. The middle piece of the linear part falls below the
 * first one towards its end, even below zero: it is not allowed to.
 */
const GPUS = {
  V100: {
    slope: 0.27106428,
    base: 10.524,
    bend: [-295, 3.125, -0.0064],
    least: 55,
    shortMs: 0.8,
    perContext: 4.65e-4,
    contextBase: 0.398,
  },
  A6000: {
    slope: 0.10842571,
    base: 4.2098,
    bend: [-118, 1.25, -0.00256],
    least: 22,
    shortMs: 0.32,
    perContext: 1.86e-4,
    contextBase: 0.159,
  },
} as const;

/**
 * Preble (Srivatsa et al. 2024) as AIBrix has it in `prefix-cache-preble` (gateway plugin 0.7):
 *
 * 1. If the spread of in-flight counts is above `imbalance`, only the pods at the minimum take part.
 * 2. More than half of the prompt cached somewhere: of the pods with the longest match, the one that was sent the fewest
 *    requests within the window.
 * 3. Otherwise the pod of least cost: (1 - share of warm requests) x prefill time of all it was sent within the window
 *    + 45 tokens of decode at its own pace.
 *
 * AIBrix keeps a radix tree of tokens for it; here the model's prefix index says what matches, and the window keeps sums
 * of placements. The decode term is in ms like the rest (AIBrix adds seconds to milliseconds).
 */
export const prefixCachePreble = definePolicy(
  "prefix-cache-preble",
  { imbalance: 8, windowS: 180, gpu: "V100" },
  ({ imbalance, windowS, gpu }) => {
    const scorer: Scorer = {
      best: "lowest",
      score(_request, candidates, { memory, nowMs }, scores) {
        for (let i = 0; i < scores.length; i++) scores[i] = costMs(candidates[i] as Candidate, memory, nowMs);
      },
    };
    return {
      name: "prefix-cache-preble",
      waitsForChoice: true,
      columns: ["matchedShare", "placed", "costMs"],
      scorer,
      decide(request, candidates, context) {
        const { memory, nowMs, random } = context;
        const count = candidates.length;
        const terms = new Float64Array(3 * count);
        const ruledOut = outsideGate(candidates, imbalance);
        let longest = 0;
        for (let i = 0; i < count; i++) {
          const candidate = candidates[i] as Candidate;
          const placed = windowOf(memory, candidate, "placed", nowMs);
          terms.set([matchedShare(candidate, request), placed, costMs(candidate, memory, nowMs)], 3 * i);
          if (!ruledOut(candidate)) longest = Math.max(longest, terms[3 * i] as number);
        }
        const ranks = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
        for (let i = 0; i < count; i++) {
          if (ruledOut(candidates[i] as Candidate)) continue;
          if (longest <= WARM_SHARE) ranks[i] = terms[3 * i + 2] as number;
          else if (terms[3 * i] === longest) ranks[i] = terms[3 * i + 1] as number;
        }
        return { chosen: pickLowest(ranks, random), terms };
      },
      placed: (placement, memory) => takeIn(placement, memory, windowS * 1_000, gpu),
    };
  },
);

function outsideGate(candidates: readonly Candidate[], imbalance: number): (candidate: Candidate) => boolean {
  let least = Number.POSITIVE_INFINITY;
  let most = 0;
  for (const { inFlight } of candidates) {
    least = Math.min(least, inFlight);
    most = Math.max(most, inFlight);
  }
  return most - least > imbalance ? ({ inFlight }) => inFlight > least : () => false;
}

function matchedShare(candidate: Candidate, request: PolicyRequest): number {
  return request.segments === 0 ? 0 : candidate.matchedSegments / request.segments;
}

function costMs(candidate: Candidate, memory: PolicyMemoryView, nowMs: number): number {
  const placed = windowOf(memory, candidate, "placed", nowMs);
  const warm = windowOf(memory, candidate, "warm", nowMs);
  const missShare = placed === 0 ? 1 : 1 - warm / placed;
  const { decodeMs, generationTokens } = candidate.pace ?? {};
  const tokenMs = decodeMs !== undefined && generationTokens ? decodeMs / generationTokens : ASSUMED_TOKEN_MS;
  return missShare * windowOf(memory, candidate, "prefillMs", nowMs) + DECODE_TOKENS * tokenMs;
}

function windowOf(memory: PolicyMemoryView, { id }: Candidate, name: keyof PodPlacements, nowMs: number): number {
  const placements = memory.podPlacements.get(id);
  return placements === undefined ? 0 : windowSum(placements[name], nowMs);
}

function takeIn(
  { request, chosen, nowMs }: PolicyPlacement,
  memory: PolicyMemory,
  windowMs: number,
  gpu: string,
): void {
  const known = memory.podPlacements.get(chosen.id);
  const placements = known?.placed.slotMs === windowMs / WINDOW_SLOTS ? known : newPlacements(windowMs);
  remember(memory.podPlacements, chosen.id, placements, MOST_PODS);
  addToWindow(placements.placed, 1, nowMs);
  addToWindow(placements.prefillMs, prefillMs(request.promptTokens, gpu), nowMs);
  if (matchedShare(chosen, request) > WARM_SHARE) addToWindow(placements.warm, 1, nowMs);
}

function newPlacements(windowMs: number): PodPlacements {
  return {
    placed: newSlidingWindow(windowMs, WINDOW_SLOTS),
    warm: newSlidingWindow(windowMs, WINDOW_SLOTS),
    prefillMs: newSlidingWindow(windowMs, WINDOW_SLOTS),
  };
}

/** Time to prefill a prompt of `tokens` on one of the two GPUs the regressions are of. */
function prefillMs(tokens: number, gpu: string): number {
  const { slope, base, bend, least, shortMs, perContext, contextBase } = gpu === "A6000" ? GPUS.A6000 : GPUS.V100;
  const bent = bend[0] + bend[1] * tokens + bend[2] * tokens ** 2;
  const linear = tokens >= 384 ? slope * tokens + base : Math.max(least, tokens >= 192 ? bent : 0);
  const attention = tokens <= 1_024 ? shortMs : perContext * tokens + contextBase;
  return (linear + attention) / PREFILL_EFFICIENCY;
}

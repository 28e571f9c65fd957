import { evictionCostMs } from "../outlook/eviction-cost.ts";
import { headDoneMs } from "../outlook/placement-outlook.ts";
import type { PodOutlook } from "../outlook/pod-outlook.ts";
import { promptPrefillMs } from "../outlook/prefill-cost.ts";
import { type Candidate, type Policy, type PolicyContext, type PolicyRequest, pickLowest } from "../policy.ts";

/** A miss is charged above its face value: what it displaces costs more than the eviction term can see. */
const MISS_SURCHARGE = 1;
/** The surcharge grows with the work that waits on even the least busy pod, up to this. */
const BACKLOG_SURCHARGE = 10;
const MOST_SURCHARGE = 100;
/** Where requests wait in the router instead, it grows by one for each of them a pod, up to this. */
const MOST_HELD_SURCHARGE = 30;
/** Decode reads a cached token this many times faster than prefill computes one (43.5 ns against 21.5 us, 8B on H100). */
const KV_READ_SHARE = 0.002;
/** A prefill of this length slows the decodes beside it by one more step. */
const DECODE_STRETCH_MS = 200;
/** Cost of asking for more KV memory than there is: preemption and waiting, in ms. */
const MEMORY_BASE_MS = 1_000;
const MEMORY_SLOPE_MS = 2_500;
const MOST_UTILISATION = 0.9;
const MOST_DELAY_FACTOR = 100;
/** Evictions are priced on the best pods by all other terms only: walking chains costs more than those. */
const MOST_PRICED = 16;
/** Predictions closer than this are equal. */
const TIE_BAND_MS = 0.5;

const COLUMNS = [
  "ttftMs",
  "backlogMs",
  "prefillMs",
  "interferenceMs",
  "memoryMs",
  "evictionMs",
  "delayMs",
  "matchedTokens",
] as const;

/**
 * The pod where a request costs least: predicted time to first token from backlog, own prefill after the cached prefix,
 * interference with running decodes and memory pressure, and what it costs others: chains it pushes out of the cache
 * that will come back, and requests it delays once the whole fleet has work waiting. All in ms, from the router's own
 * account; where the account is missing (see PlacementOutlook), from counts of tokens and the learned prefill rate.
 */
export const warmpath: Policy = {
  name: "warmpath",
  waitsForChoice: true,
  columns: COLUMNS,
  decide(request, candidates, context) {
    const count = candidates.length;
    const cost = new Float64Array(count);
    const terms = new Float64Array(count * COLUMNS.length);
    const backlogMs = new Float64Array(count);
    for (let i = 0; i < count; i++) backlogMs[i] = backlogOf(candidates[i] as Candidate, context);
    const { heldPerPod } = context;
    // Whom a long prefill delays waits in the router then, whose order sees to it.
    const waiting = heldPerPod === undefined ? fleetBacklog(backlogMs, context) : 0;
    const surcharge =
      MISS_SURCHARGE +
      (heldPerPod === undefined
        ? Math.min(MOST_SURCHARGE, BACKLOG_SURCHARGE * waiting)
        : Math.min(MOST_HELD_SURCHARGE, heldPerPod));
    for (let i = 0; i < count; i++) {
      const candidate = candidates[i] as Candidate;
      const aheadMs = backlogMs[i] as number;
      const ownMs = prefillOf(request, candidate, context);
      const interferenceMs = interferenceOf(candidate, ownMs, context);
      const memoryMs = memoryPressure(candidate, request.promptTokens);
      const delayMs = delayOf(candidate, aheadMs, ownMs, waiting, context);
      cost[i] = aheadMs + (1 + surcharge) * ownMs + interferenceMs + memoryMs + delayMs;
      const row = i * COLUMNS.length;
      terms[row] = aheadMs + ownMs + interferenceMs + memoryMs;
      terms[row + 1] = aheadMs;
      terms[row + 2] = ownMs;
      terms[row + 3] = interferenceMs;
      terms[row + 4] = memoryMs;
      terms[row + 6] = delayMs;
      terms[row + 7] = candidate.matchedTokens;
    }
    addEvictions(request, candidates, context, cost, terms);
    return { chosen: pickLowest(cost, context.random, TIE_BAND_MS), terms };
  },
};

function backlogOf(candidate: Candidate, { outlook, rates, nowMs }: PolicyContext): number {
  if (outlook !== undefined && candidate.outlook !== undefined) {
    return outlook.account.backlogMs(candidate.outlook, nowMs);
  }
  const headMs = candidate.headTokens / rates.prefillTokensPerMs;
  return Math.max(0, candidate.backlogTokens / rates.prefillTokensPerMs - headDoneMs(headMs, candidate.headAgeMs));
}

function prefillOf(request: PolicyRequest, candidate: Candidate, { outlook, rates }: PolicyContext): number {
  const { promptTokens } = request;
  const { matchedTokens } = candidate;
  if (outlook !== undefined) return promptPrefillMs(outlook.account.rates, promptTokens, matchedTokens);
  return Math.max(0, promptTokens - matchedTokens) / rates.prefillTokensPerMs;
}

/** Requests expected to arrive on a pod in the time that even the least busy one has work waiting. */
function fleetBacklog(backlogMs: Float64Array, { outlook, nowMs }: PolicyContext): number {
  if (outlook === undefined) return 0;
  let least = Number.POSITIVE_INFINITY;
  for (const ms of backlogMs) if (ms < least) least = ms;
  return (outlook.account.arrivalsPerMs(nowMs) / backlogMs.length) * least;
}

function interferenceOf(candidate: Candidate, ownMs: number, { outlook, rates }: PolicyContext): number {
  const tokenMs = outlook === undefined ? 1 / rates.prefillTokensPerMs : outlook.account.rates.tokenMs;
  const requests = candidate.inFlight + candidate.foreign;
  return tokenMs * (requests + KV_READ_SHARE * candidate.promptTokensInFlight * (1 + ownMs / DECODE_STRETCH_MS));
}

/** What the request's prefill adds to the waits of those that arrive behind it, once waiting is the rule. */
function delayOf(
  candidate: Candidate,
  aheadMs: number,
  ownMs: number,
  waiting: number,
  { outlook, nowMs }: PolicyContext,
): number {
  const pod = candidate.outlook;
  if (outlook === undefined || pod === undefined || waiting <= 0) return 0;
  const utilisation = Math.min(MOST_UTILISATION, pod.work.perMs(nowMs));
  const behind = (pod.arrivals.perMs(nowMs) * (aheadMs + ownMs / 2)) / (1 - utilisation);
  return ownMs * Math.min(MOST_DELAY_FACTOR, Math.min(1, waiting) * behind);
}

function memoryPressure(candidate: Candidate, promptTokens: number): number {
  const { capacityTokens } = candidate;
  if (capacityTokens === undefined || capacityTokens === 0) return 0;
  const excess = candidate.promptTokensInFlight + promptTokens - capacityTokens;
  return excess <= 0 ? 0 : MEMORY_BASE_MS + (MEMORY_SLOPE_MS * excess) / capacityTokens;
}

/** Adds the price of evictions to the costs, cheapest pods first, as long as it can change the choice. */
function addEvictions(
  request: PolicyRequest,
  candidates: readonly Candidate[],
  { outlook, nowMs }: PolicyContext,
  cost: Float64Array,
  terms: Float64Array,
): void {
  if (outlook === undefined) return;
  const { account, chain } = outlook;
  const { returns, rates, answerTokens } = account;
  const open = cost.slice();
  let best = Number.POSITIVE_INFINITY;
  for (let priced = 0; priced < MOST_PRICED; priced++) {
    let next = 0;
    for (let i = 1; i < open.length; i++) if ((open[i] as number) < (open[next] as number)) next = i;
    const base = open[next] as number;
    if (base >= best + TIE_BAND_MS || base === Number.POSITIVE_INFINITY) return;
    open[next] = Number.POSITIVE_INFINITY;
    const candidate = candidates[next] as Candidate;
    const { capacityTokens } = candidate;
    const pod: PodOutlook | undefined = candidate.outlook;
    if (pod !== undefined && capacityTokens !== undefined) {
      const neededTokens = request.promptTokens - candidate.matchedTokens + answerTokens;
      const question = { pod, capacityTokens, neededTokens, answerTokens, chain, returns, rates, nowMs };
      const evictionMs = evictionCostMs(question);
      cost[next] = base + evictionMs;
      terms[next * COLUMNS.length + 5] = evictionMs;
    }
    best = Math.min(best, cost[next] as number);
  }
  // Beside priced pods an unpriced one would look too good.
  for (let i = 0; i < open.length; i++) if (open[i] !== Number.POSITIVE_INFINITY) cost[i] = Number.POSITIVE_INFINITY;
}

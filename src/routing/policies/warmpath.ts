import { freshFloats } from "../fresh-floats.ts";
import { headDoneMs } from "../outlook/placement-outlook.ts";
import { promptPrefillMs } from "../outlook/prefill-cost.ts";
import {
  type Candidate,
  type Policy,
  type PolicyContext,
  type PolicyRequest,
  pickLowest,
  type RequestOutlook,
} from "../policy.ts";

/** A miss is charged above its face value: what it displaces costs more than the eviction term can see. */
const MISS_SURCHARGE = 1;
/** The surcharge grows with the work that waits on even the least busy pod, up to this. */
const BACKLOG_SURCHARGE = 10;
const MOST_SURCHARGE = 100;
/** Where requests wait in the router instead, it grows by one for each of them a pod, up to this. */
const MOST_HELD_SURCHARGE = 30;
/** Decode reads a cached token this many times faster than prefill computes one (43.5 ns against 21.5 us, 8B on H100). */
const KV_READ_SHARE = 0.002;
/**
 * Bringing a token's KV back from host memory costs this share of computing it: 128 KB over PCIe 5 against 21.5 us, 8B on
 * H100.
 */
const HOST_READ_SHARE = 0.15;
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
  "networkMs",
  "backlogMs",
  "prefillMs",
  "interferenceMs",
  "memoryMs",
  "evictionMs",
  "delayMs",
  "matchedTokens",
] as const;
const WIDTH = COLUMNS.length;
const NETWORK = COLUMNS.indexOf("networkMs");
const BACKLOG = COLUMNS.indexOf("backlogMs");
const PREFILL = COLUMNS.indexOf("prefillMs");
const INTERFERENCE = COLUMNS.indexOf("interferenceMs");
const MEMORY = COLUMNS.indexOf("memoryMs");
const EVICTION = COLUMNS.indexOf("evictionMs");
const DELAY = COLUMNS.indexOf("delayMs");
const MATCHED = COLUMNS.indexOf("matchedTokens");

/**
 * The pod where a request costs least: predicted time to first token from the way there, backlog, own prefill after
 * the cached prefix, interference with running decodes and memory pressure, and what it costs others: chains it pushes
 * out of the cache that will come back, and requests it delays once the whole fleet has work waiting. All in ms, from the router's own
 * account; where the account is missing (see PlacementOutlook), from counts of tokens and the learned prefill rate.
 */
export const warmpath: Policy = {
  name: "warmpath",
  waitsForChoice: "always",
  columns: COLUMNS,
  decide(request, candidates, context) {
    const cost = freshFloats(candidates.length);
    const terms = freshFloats(candidates.length * WIDTH);
    const { heldPerPod } = context;
    const leastBacklogMs = addBacklogs(candidates, context, terms);
    // Whom a long prefill delays waits in the router then, whose order sees to it.
    const waiting = heldPerPod === undefined ? fleetBacklog(leastBacklogMs, candidates.length, context) : 0;
    addOwnWork(request, candidates, context, terms);
    if (waiting > 0) addDelays(candidates, context, waiting, terms);
    addNetwork(request, candidates, context, terms);
    const missWeight =
      1 +
      MISS_SURCHARGE +
      (heldPerPod === undefined
        ? Math.min(MOST_SURCHARGE, BACKLOG_SURCHARGE * waiting)
        : Math.min(MOST_HELD_SURCHARGE, heldPerPod));
    for (let i = 0; i < cost.length; i++) {
      const row = i * WIDTH;
      const prefillMs = terms[row + PREFILL] as number;
      const othersMs =
        (terms[row + NETWORK] as number) +
        (terms[row + BACKLOG] as number) +
        (terms[row + INTERFERENCE] as number) +
        (terms[row + MEMORY] as number);
      terms[row] = othersMs + prefillMs;
      cost[i] = othersMs + missWeight * prefillMs + (terms[row + DELAY] as number);
    }
    addEvictions(request, candidates, context, cost, terms);
    return { chosen: pickLowest(cost, context.random, TIE_BAND_MS), terms };
  },
};

/** Writes the backlogs and returns the least of them, in ms. */
function addBacklogs(candidates: readonly Candidate[], context: PolicyContext, terms: Float64Array): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < candidates.length; i++) {
    const backlogMs = backlogOf(candidates[i] as Candidate, context);
    terms[i * WIDTH + BACKLOG] = backlogMs;
    if (backlogMs < least) least = backlogMs;
  }
  return least;
}

function backlogOf(candidate: Candidate, { outlook, rates, nowMs }: PolicyContext): number {
  if (outlook !== undefined && candidate.outlook !== undefined) {
    return outlook.account.backlogMs(candidate.outlook, nowMs);
  }
  const headMs = candidate.headTokens / rates.prefillTokensPerMs;
  return Math.max(0, candidate.backlogTokens / rates.prefillTokensPerMs - headDoneMs(headMs, candidate.headAgeMs));
}

/** Requests expected to arrive on a pod in the time that even the least busy one has work waiting. */
function fleetBacklog(leastBacklogMs: number, pods: number, { outlook, nowMs }: PolicyContext): number {
  return outlook === undefined ? 0 : (outlook.account.arrivalsPerMs(nowMs) / pods) * leastBacklogMs;
}

/** Writes what the request itself costs each pod: its prefill, and what it meets of decodes and memory there. */
function addOwnWork(
  { promptTokens }: PolicyRequest,
  candidates: readonly Candidate[],
  { outlook, rates }: PolicyContext,
  terms: Float64Array,
): void {
  const prefillRates = outlook?.account.rates ?? { tokenMs: 1 / rates.prefillTokensPerMs, pairMs: 0 };
  const { tokenMs } = prefillRates;
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i] as Candidate;
    const { matchedTokens, promptTokensInFlight } = candidate;
    const readMs = HOST_READ_SHARE * tokenMs * hostTokens(candidate);
    const prefillMs = promptPrefillMs(prefillRates, promptTokens, matchedTokens) + readMs;
    const requests = candidate.inFlight + candidate.foreign;
    const read = KV_READ_SHARE * promptTokensInFlight * (1 + prefillMs / DECODE_STRETCH_MS);
    const row = i * WIDTH;
    terms[row + PREFILL] = prefillMs;
    terms[row + INTERFERENCE] = tokenMs * (requests + read);
    terms[row + MEMORY] = memoryPressure(candidate.capacityTokens, promptTokensInFlight + promptTokens);
    terms[row + MATCHED] = matchedTokens;
  }
}

/** Tokens of the match that the pod keeps in host memory only. */
function hostTokens({ hostSegments, matchedSegments, matchedTokens }: Candidate): number {
  return hostSegments === 0 ? 0 : (matchedTokens * hostSegments) / matchedSegments;
}

/** Writes what the way to each pod takes. With one cluster all are equally far. */
function addNetwork(
  { origin = "" }: PolicyRequest,
  candidates: readonly Candidate[],
  { outlook }: PolicyContext,
  terms: Float64Array,
): void {
  const delaysMs = outlook?.account.network.from(origin);
  if (delaysMs === undefined || delaysMs.size < 2) return;
  for (let i = 0; i < candidates.length; i++) {
    terms[i * WIDTH + NETWORK] = delaysMs.get((candidates[i] as Candidate).cluster) ?? 0;
  }
}

/** Writes what the request's prefill adds to the waits of those that arrive behind it, once waiting is the rule. */
function addDelays(
  candidates: readonly Candidate[],
  { nowMs }: PolicyContext,
  waiting: number,
  terms: Float64Array,
): void {
  for (let i = 0; i < candidates.length; i++) {
    const pod = candidates[i]?.outlook;
    if (pod === undefined) continue;
    const row = i * WIDTH;
    const backlogMs = terms[row + BACKLOG] as number;
    const prefillMs = terms[row + PREFILL] as number;
    const utilisation = Math.min(MOST_UTILISATION, pod.work.perMs(nowMs));
    const behind = (pod.arrivals.perMs(nowMs) * (backlogMs + prefillMs / 2)) / (1 - utilisation);
    terms[row + DELAY] = prefillMs * Math.min(MOST_DELAY_FACTOR, Math.min(1, waiting) * behind);
  }
}

/** `neededTokens` are the prompts of all leases, this request's with them. */
function memoryPressure(capacityTokens: number | undefined, neededTokens: number): number {
  if (capacityTokens === undefined || capacityTokens === 0) return 0;
  const excess = neededTokens - capacityTokens;
  return excess <= 0 ? 0 : MEMORY_BASE_MS + (MEMORY_SLOPE_MS * excess) / capacityTokens;
}

/** Adds the price of evictions to the costs, cheapest pods first, as long as it can change the choice. */
function addEvictions(
  request: PolicyRequest,
  candidates: readonly Candidate[],
  context: PolicyContext,
  cost: Float64Array,
  terms: Float64Array,
): void {
  const { outlook } = context;
  if (outlook === undefined) return;
  const priced: number[] = [];
  const prices: number[] = [];
  let best = Number.POSITIVE_INFINITY;
  while (priced.length < MOST_PRICED) {
    const next = cheapest(cost);
    const base = cost[next] as number;
    if (base === Number.POSITIVE_INFINITY || base >= best + TIE_BAND_MS) break;
    const evictionMs = evictionOf(request, candidates[next] as Candidate, outlook, context.nowMs);
    terms[next * WIDTH + EVICTION] = evictionMs;
    cost[next] = Number.POSITIVE_INFINITY;
    priced.push(next);
    prices.push(base + evictionMs);
    best = Math.min(best, base + evictionMs);
  }
  // Beside priced pods an unpriced one would look too good.
  if (priced.length === MOST_PRICED) cost.fill(Number.POSITIVE_INFINITY);
  for (let i = 0; i < priced.length; i++) cost[priced[i] as number] = prices[i] as number;
}

function evictionOf(request: PolicyRequest, candidate: Candidate, outlook: RequestOutlook, nowMs: number): number {
  const { capacityTokens, outlook: pod } = candidate;
  if (pod === undefined || capacityTokens === undefined) return 0;
  const { account, chain } = outlook;
  const newTokens = request.promptTokens - candidate.matchedTokens;
  return account.evictionMs({ pod, capacityTokens, newTokens, chain }, nowMs);
}

function cheapest(cost: Float64Array): number {
  let lowest = 0;
  for (let i = 1; i < cost.length; i++) if ((cost[i] as number) < (cost[lowest] as number)) lowest = i;
  return lowest;
}

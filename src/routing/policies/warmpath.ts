import { freshFloats } from "../fresh-floats.ts";
import { headDoneMs } from "../outlook/placement-outlook.ts";
import { promptPrefillMs } from "../outlook/prefill-cost.ts";
import { type Candidate, type Policy, type PolicyContext, type PolicyRequest, pickLowest } from "../policy.ts";

/** A miss is charged above its face value: what it displaces costs more than the eviction term can see. */
const MISS_SURCHARGE = 1;
/** The surcharge grows with the work that waits on even the least busy pod, up to this. */
const BACKLOG_SURCHARGE = 10;
const MOST_SURCHARGE = 100;
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
  "networkMs",
  "backlogMs",
  "prefillMs",
  "interferenceMs",
  "memoryMs",
  "evictionMs",
  "delayMs",
  "matchedTokens",
] as const;
const NETWORK = COLUMNS.indexOf("networkMs");
const BACKLOG = COLUMNS.indexOf("backlogMs");
const PREFILL = COLUMNS.indexOf("prefillMs");
const INTERFERENCE = COLUMNS.indexOf("interferenceMs");
const MEMORY = COLUMNS.indexOf("memoryMs");
const EVICTION = COLUMNS.indexOf("evictionMs");
const DELAY = COLUMNS.indexOf("delayMs");
const MATCHED = COLUMNS.indexOf("matchedTokens");

/**
 * The pod where a request costs least: predicted time to first token from the way there, backlog, own prefill after the cached prefix,
 * interference with running decodes and memory pressure, and what it costs others: chains it pushes out of the cache
 * that will come back, and requests it delays once the whole fleet has work waiting. All in ms, from the router's own
 * account; where the account is missing (see PlacementOutlook), from counts of tokens and the learned prefill rate.
 */
export const warmpath: Policy = {
  name: "warmpath",
  columns: COLUMNS,
  decide(request, candidates, context) {
    const count = candidates.length;
    const width = COLUMNS.length;
    const cost = freshFloats(count);
    const terms = freshFloats(count * width);
    let leastBacklogMs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < count; i++) {
      const backlogMs = backlogOf(candidates[i] as Candidate, context);
      terms[i * width + BACKLOG] = backlogMs;
      if (backlogMs < leastBacklogMs) leastBacklogMs = backlogMs;
    }
    const waiting = fleetBacklog(leastBacklogMs, count, context);
    const missWeight = 1 + MISS_SURCHARGE + Math.min(MOST_SURCHARGE, BACKLOG_SURCHARGE * waiting);
    const { outlook, rates } = context;
    const { promptTokens } = request;
    const prefillRates = outlook?.account.rates;
    const tokenMs = prefillRates?.tokenMs ?? 1 / rates.prefillTokensPerMs;
    const delaysMs = outlook?.account.network.from(request.origin ?? "");
    // With one cluster all are equally far.
    const differ = delaysMs !== undefined && delaysMs.size > 1;
    for (let i = 0; i < count; i++) {
      const candidate = candidates[i] as Candidate;
      const { matchedTokens, promptTokensInFlight } = candidate;
      const row = i * width;
      const aheadMs = terms[row + BACKLOG] as number;
      const ownMs =
        prefillRates === undefined
          ? Math.max(0, promptTokens - matchedTokens) / rates.prefillTokensPerMs
          : promptPrefillMs(prefillRates, promptTokens, matchedTokens);
      const requests = candidate.inFlight + candidate.foreign;
      const read = KV_READ_SHARE * promptTokensInFlight * (1 + ownMs / DECODE_STRETCH_MS);
      const interferenceMs = tokenMs * (requests + read);
      const memoryMs = memoryPressure(candidate.capacityTokens, promptTokensInFlight + promptTokens);
      const delayMs = waiting > 0 ? delayOf(candidate, aheadMs, ownMs, waiting, context) : 0;
      const networkMs = differ ? (delaysMs.get(candidate.cluster) ?? 0) : 0;
      cost[i] = networkMs + aheadMs + missWeight * ownMs + interferenceMs + memoryMs + delayMs;
      terms[row] = networkMs + aheadMs + ownMs + interferenceMs + memoryMs;
      terms[row + NETWORK] = networkMs;
      terms[row + PREFILL] = ownMs;
      terms[row + INTERFERENCE] = interferenceMs;
      terms[row + MEMORY] = memoryMs;
      terms[row + DELAY] = delayMs;
      terms[row + MATCHED] = matchedTokens;
    }
    const total = withEvictions(request, candidates, context, cost, terms);
    return { chosen: pickLowest(total, context.random, TIE_BAND_MS), terms };
  },
};

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

/** What the request's prefill adds to the waits of those that arrive behind it, once waiting is the rule. */
function delayOf(
  candidate: Candidate,
  aheadMs: number,
  ownMs: number,
  waiting: number,
  { outlook, nowMs }: PolicyContext,
): number {
  const pod = candidate.outlook;
  if (outlook === undefined || pod === undefined) return 0;
  const utilisation = Math.min(MOST_UTILISATION, pod.work.perMs(nowMs));
  const behind = (pod.arrivals.perMs(nowMs) * (aheadMs + ownMs / 2)) / (1 - utilisation);
  return ownMs * Math.min(MOST_DELAY_FACTOR, Math.min(1, waiting) * behind);
}

/** `neededTokens` are the prompts of all leases, this request's with them. */
function memoryPressure(capacityTokens: number | undefined, neededTokens: number): number {
  if (capacityTokens === undefined || capacityTokens === 0) return 0;
  const excess = neededTokens - capacityTokens;
  return excess <= 0 ? 0 : MEMORY_BASE_MS + (MEMORY_SLOPE_MS * excess) / capacityTokens;
}

/**
 * The costs with the price of evictions, asked of the cheapest pods first as long as it can change the choice. `cost` is
 * used up.
 */
function withEvictions(
  request: PolicyRequest,
  candidates: readonly Candidate[],
  { outlook, nowMs }: PolicyContext,
  cost: Float64Array,
  terms: Float64Array,
): Float64Array {
  if (outlook === undefined) return cost;
  const { account, chain } = outlook;
  const total = freshFloats(cost.length).fill(Number.POSITIVE_INFINITY);
  let best = Number.POSITIVE_INFINITY;
  for (let priced = 0; priced < MOST_PRICED; priced++) {
    let next = 0;
    for (let i = 1; i < cost.length; i++) if ((cost[i] as number) < (cost[next] as number)) next = i;
    const base = cost[next] as number;
    if (base === Number.POSITIVE_INFINITY) return total;
    if (base >= best + TIE_BAND_MS) {
      for (let i = 0; i < cost.length; i++) if (total[i] === Number.POSITIVE_INFINITY) total[i] = cost[i] as number;
      return total;
    }
    cost[next] = Number.POSITIVE_INFINITY;
    const candidate = candidates[next] as Candidate;
    const { capacityTokens, outlook: pod } = candidate;
    let evictionMs = 0;
    if (pod !== undefined && capacityTokens !== undefined) {
      const newTokens = request.promptTokens - candidate.matchedTokens;
      evictionMs = account.evictionMs({ pod, capacityTokens, newTokens, chain }, nowMs);
      terms[next * COLUMNS.length + EVICTION] = evictionMs;
    }
    total[next] = base + evictionMs;
    best = Math.min(best, base + evictionMs);
  }
  // Beside priced pods an unpriced one would look too good: it keeps its infinite cost.
  return total;
}

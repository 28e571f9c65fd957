import { type CandidateColumns, columnsOf } from "../candidate-columns.ts";
import { headDoneMs } from "../outlook/placement-outlook.ts";
import { promptPrefillMs } from "../outlook/prefill-cost.ts";
import {
  type Candidate,
  type Candidates,
  type Policy,
  type PolicyContext,
  type PolicyRequest,
  pickLowest,
  type RequestOutlook,
} from "../policy.ts";
import { ScratchColumns } from "../scratch-columns.ts";
import { type FleetPressure, fleetPressure } from "./fleet-pressure.ts";
import { addEvictions } from "./priced-evictions.ts";
import { ReckonedDecision } from "./reckoned-decision.ts";

/** A miss is charged above its face value: what it displaces costs more than the eviction term can see. */
const MISS_SURCHARGE = 0.75;
/** The surcharge grows with the work that waits on even the least busy pod, up to this. */
const BACKLOG_SURCHARGE = 10;
const MOST_SURCHARGE = 100;
/** It also grows as the fleet comes near to what it can do, by this where nothing is left: what is saved serves all. */
const PRESSURE_SURCHARGE = 16;
/**
 * A prefill keeps each request on its pod from its next token for as long. That counts as this share of its own wait, and
 * as nothing once the pressure is a third: then it is a matter of finding room at all.
 */
const DECODE_DELAY_SHARE = 0.005;
const DECODE_DELAY_FADES = 3;
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

/** One column a term, by candidate. */
type Terms = Readonly<Record<(typeof COLUMNS)[number], Float64Array>>;

const scratch = new ScratchColumns(["costMs", "backlogMs"]);

/**
 * The pod where a request costs least: predicted time to first token from the way there, backlog, own prefill after
 * the cached prefix, interference with running decodes and memory pressure, and what it costs others: chains it pushes
 * out of the cache that will come back, answers it holds up, and requests it delays once the whole fleet has work
 * waiting. All in ms, from the router's own account; where the account is missing (see PlacementOutlook), from counts of
 * tokens and the learned prefill rate.
 */
export const warmpath: Policy = {
  name: "warmpath",
  waitsForChoice: true,
  columns: COLUMNS,
  decide(request, candidates, context) {
    const costMs = costsOf(request, candidates, context);
    const chosen = pickLowest(costMs, context.random, TIE_BAND_MS);
    return new ReckonedDecision(chosen, () => termsOf(request, candidates, context));
  },
};

/** The terms of all candidates, in rows. */
function termsOf(request: PolicyRequest, candidates: Candidates, context: PolicyContext): Float64Array {
  const terms = new ScratchColumns(COLUMNS).take(candidates.length);
  costsOf(request, candidates, context, terms);
  const rows = new Float64Array(candidates.length * COLUMNS.length);
  COLUMNS.forEach((column, at) => {
    terms[column].forEach((term, i) => {
      rows[i * COLUMNS.length + at] = term;
    });
  });
  return rows;
}

/**
 * What the request costs on each candidate; good until the next call. Runs at each request over all pods: one loop, and
 * terms are noted only where somebody wants to see them.
 */
function costsOf(request: PolicyRequest, candidates: Candidates, context: PolicyContext, terms?: Terms): Float64Array {
  const { promptTokens } = request;
  const { holdsRequests, outlook, rates } = context;
  const { costMs, backlogMs } = scratch.take(candidates.length);
  const columns = candidates.columns?.() ?? columnsOf(candidates);
  const { requests, promptTokensInFlight, capacityTokens, matchedTokens, hostTokens } = columns;
  const leastBacklogMs = setBacklogs(candidates, columns, context, backlogMs);
  // Whom a long prefill delays waits in the router then, whose order sees to it.
  const waiting = holdsRequests ? 0 : fleetBacklog(leastBacklogMs, candidates.length, context);
  const networkMs = networkDelays(request, candidates, context);
  const pressure = fleetPressure(columns, context);
  const missWeight = 1 + missSurcharge(pressure, context) + Math.min(MOST_SURCHARGE, BACKLOG_SURCHARGE * waiting);
  const decodeDelay = DECODE_DELAY_SHARE * Math.max(0, 1 - DECODE_DELAY_FADES * pressure.most);
  const prefillRates = outlook?.account.rates ?? { tokenMs: 1 / rates.prefillTokensPerMs, pairMs: 0 };
  const { tokenMs } = prefillRates;
  const hostReadMs = HOST_READ_SHARE * tokenMs;
  const kvReadMs = KV_READ_SHARE * tokenMs;
  const stretch = 1 / DECODE_STRETCH_MS;
  for (let i = 0; i < costMs.length; i++) {
    const wayMs = networkMs === undefined ? 0 : (networkMs[i] as number);
    const ahead = backlogMs[i] as number;
    const inFlightTokens = promptTokensInFlight[i] as number;
    const readMs = hostReadMs * (hostTokens[i] as number);
    const prefillMs = promptPrefillMs(prefillRates, promptTokens, matchedTokens[i] as number) + readMs;
    const onPod = requests[i] as number;
    const interferenceMs = tokenMs * onPod + kvReadMs * inFlightTokens * (1 + prefillMs * stretch);
    const memoryMs = memoryPressure(capacityTokens[i] as number, inFlightTokens + promptTokens);
    const behindMs = waiting > 0 ? delayOf(candidates[i] as Candidate, context, waiting, ahead, prefillMs) : 0;
    const delayMs = decodeDelay * onPod * prefillMs + behindMs;
    const othersMs = wayMs + ahead + interferenceMs + memoryMs;
    costMs[i] = othersMs + missWeight * prefillMs + delayMs;
    if (terms === undefined) continue;
    terms.ttftMs[i] = othersMs + prefillMs;
    terms.networkMs[i] = wayMs;
    terms.backlogMs[i] = ahead;
    terms.prefillMs[i] = prefillMs;
    terms.interferenceMs[i] = interferenceMs;
    terms.memoryMs[i] = memoryMs;
    terms.delayMs[i] = delayMs;
    terms.matchedTokens[i] = matchedTokens[i] as number;
  }
  if (outlook !== undefined) {
    addEvictions(costMs, TIE_BAND_MS, (at) => {
      const evictionMs = evictionOf(request, candidates[at] as Candidate, outlook, context.nowMs);
      if (terms !== undefined) terms.evictionMs[at] = evictionMs;
      return evictionMs;
    });
  }
  return costMs;
}

/** A copy of what many share will serve others: where there is memory for it, it costs nothing beyond its prefill. */
function missSurcharge(pressure: FleetPressure, { outlook }: PolicyContext): number {
  const shared = outlook?.shared === true;
  return (shared ? 0 : MISS_SURCHARGE) + PRESSURE_SURCHARGE * (shared ? pressure.memory : pressure.most);
}

/** Sets the backlogs and returns the least of them, in ms. */
function setBacklogs(
  candidates: Candidates,
  { awaiting }: CandidateColumns,
  context: PolicyContext,
  backlogMs: Float64Array,
): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < backlogMs.length; i++) {
    const ms = awaiting[i] === 0 ? 0 : backlogOf(candidates[i] as Candidate, context);
    backlogMs[i] = ms;
    if (ms < least) least = ms;
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

/** What the way to each pod takes; undefined where all are equally far: with one cluster. */
function networkDelays(
  { origin = "" }: PolicyRequest,
  candidates: Candidates,
  { outlook }: PolicyContext,
): Float64Array | undefined {
  const delaysMs = outlook?.account.network.from(origin);
  if (delaysMs === undefined || delaysMs.size < 2) return undefined;
  return Float64Array.from(candidates, ({ cluster }) => delaysMs.get(cluster) ?? 0);
}

/** What the request's prefill adds to the waits of those that arrive behind it, once waiting is the rule. */
function delayOf(
  { outlook: pod }: Candidate,
  { nowMs }: PolicyContext,
  waiting: number,
  backlogMs: number,
  prefillMs: number,
): number {
  if (pod === undefined) return 0;
  const utilisation = Math.min(MOST_UTILISATION, pod.work.perMs(nowMs));
  const behind = (pod.arrivals.perMs(nowMs) * (backlogMs + prefillMs / 2)) / (1 - utilisation);
  return prefillMs * Math.min(MOST_DELAY_FACTOR, Math.min(1, waiting) * behind);
}

/** `neededTokens` are the prompts of all leases, this request's with them. */
function memoryPressure(capacityTokens: number, neededTokens: number): number {
  if (capacityTokens === 0) return 0;
  const excess = neededTokens - capacityTokens;
  return excess <= 0 ? 0 : MEMORY_BASE_MS + (MEMORY_SLOPE_MS * excess) / capacityTokens;
}

function evictionOf(request: PolicyRequest, candidate: Candidate, outlook: RequestOutlook, nowMs: number): number {
  const { capacityTokens, outlook: pod } = candidate;
  if (pod === undefined || capacityTokens === undefined) return 0;
  const { account, chain } = outlook;
  const newTokens = request.promptTokens - candidate.matchedTokens;
  return account.evictionMs({ pod, capacityTokens, newTokens, chain }, nowMs);
}

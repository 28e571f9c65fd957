import type { DecisionTerms } from "./decide.ts";
import type { LearnedRates } from "./learned-rates.ts";
import type { PrefillRates } from "./outlook/prefill-cost.ts";
import type { RouteRequest } from "./placement.ts";
import type { EngineGauges } from "./pod.ts";
import type { Candidate, PolicyDecision, PolicyPlacement, PolicyRequest } from "./policy.ts";
import { memoryRead, type RecordedMemory } from "./recorded-memory.ts";

/**
 * A decision as it is kept: plain values, with everything that any policy needs to decide again (see recorded-replay.ts).
 * As JSON it is a line of a decision log; docs/explain.md lists its fields. An absent value is unknown; `v` counts
 * incompatible shapes.
 */
export type RecordedDecision = {
  readonly v: 1;
  /** Id of the lease. A request that moves is decided again under the same one. */
  readonly lease: string;
  /** The router's start, on the clock it was given, */
  readonly startedAtMs: number;
  /** and the decision, since then. */
  readonly atMs: number;
  /** The request was placed before, on a pod that failed it. */
  readonly retried: boolean;
  readonly policy: string;
  /** JSON text, where they are not the defaults. */
  readonly policyParameters?: string | undefined;
  readonly request: PolicyRequest;
  readonly promptBytes: number;
  readonly segmentBytes: number;
  /** Of the prompt's segments, 16 hex digits each; where the settings ask for them. */
  readonly hashes?: readonly string[] | undefined;
  readonly rates: LearnedRates;
  /** What was known of the flow (see outlook/forecast.ts). */
  readonly flow?: RecordedFlow | undefined;
  /** Requests without room waited in the router. */
  readonly holdsRequests?: boolean | undefined;
  readonly candidates: readonly RecordedCandidate[];
  readonly memory: RecordedMemory;
  /** What the policy drew at random, in turn. */
  readonly draws: readonly number[];
  /** Index of a candidate. */
  readonly chosen: number;
  readonly columns: readonly string[];
  /** By candidate and column; null where the term is no finite number. */
  readonly terms: readonly (readonly (number | null)[])[];
  /** What became of it, as far as that is known. */
  readonly outcome?: RecordedOutcome | undefined;
};

/** What was known of the fleet. */
export type RecordedFlow = {
  readonly prefill: PrefillRates;
  readonly arrivalsPerMs: number;
  /** Prefill work sent to the whole fleet. Absent in logs of before it was counted. */
  readonly workPerMs?: number | undefined;
  /** What was known of the prompt is the beginning of many conversations. Absent in logs of before it was judged. */
  readonly shared?: boolean | undefined;
  /** What is lost on the way from where the request entered, by cluster. */
  readonly networkMs: readonly (readonly [cluster: string, delayMs: number])[];
};

/** A candidate with what is computed when read, and with its outlook in figures. */
export type RecordedCandidate = Omit<Candidate, "outlook"> & { readonly outlook?: RecordedOutlook | undefined };

/** A pod's outlook at the moment of one decision. */
export type RecordedOutlook = {
  readonly backlogMs: number;
  /** Absent where the pod's cache size is unknown. */
  readonly evictionMs?: number | undefined;
  readonly arrivalsPerMs: number;
  /** Prefill work sent to it in a ms, in ms. */
  readonly workPerMs: number;
};

/** How a decision turned out. */
export type RecordedOutcome = {
  /** `moved`: the pod failed it before the first token. `fallen`: its holder fell silent. Absent while it runs. */
  readonly kind?: "completed" | "failed" | "client_left" | "moved" | "fallen" | undefined;
  /** From sending to the first body byte, as the holder measured it. */
  readonly ttftMs?: number | undefined;
  /** When it ended, since the router's start. */
  readonly endedAtMs?: number | undefined;
  readonly promptTokens?: number | undefined;
  readonly cachedTokens?: number | undefined;
  readonly completionTokens?: number | undefined;
};

/** A decision that has just been made: good until a count changes. */
export type MadeDecision = {
  readonly leaseId: string;
  readonly request: RouteRequest;
  readonly terms: Omit<DecisionTerms, "field" | "matches" | "adopting">;
  readonly placement: PolicyPlacement;
  readonly decision: PolicyDecision;
  readonly draws: readonly number[];
};

/** Copies a decision. `startedAtMs` is the router's start. */
export function recordedDecision(made: MadeDecision, startedAtMs: number, withHashes: boolean): RecordedDecision {
  const { leaseId, request, terms, placement, decision, draws } = made;
  const { policy, nowMs, rates, outlook, memory, retried, holdsRequests } = terms;
  const { candidates } = placement;
  const { policyParameters } = request;
  return {
    v: 1,
    lease: leaseId,
    startedAtMs,
    atMs: nowMs - startedAtMs,
    retried,
    policy: policy.name,
    ...(policyParameters !== undefined && { policyParameters }),
    request: placement.request,
    promptBytes: request.promptBytes,
    segmentBytes: request.segmentBytes,
    ...(withHashes && { hashes: hexHashes(request.segments) }),
    rates,
    ...(outlook && {
      flow: {
        prefill: outlook.account.rates,
        arrivalsPerMs: outlook.account.arrivalsPerMs(nowMs),
        workPerMs: outlook.account.workPerMs(nowMs),
        shared: outlook.shared,
        networkMs: [...outlook.account.network.from(placement.request.origin ?? "")],
      },
    }),
    ...(holdsRequests === true && { holdsRequests }),
    candidates: candidates.map((candidate) => copyOf(candidate, placement.request, terms)),
    memory: memoryRead(memory, placement.request, candidates, nowMs),
    draws,
    chosen: decision.chosen,
    columns: policy.columns,
    terms: termRows(decision, candidates.length, policy.columns.length),
  };
}

/** Terms by candidate and column; null for what is no finite number, as in JSON. */
export function termRows({ terms }: PolicyDecision, rows: number, width: number): (number | null)[][] {
  return Array.from({ length: rows }, (_, row) =>
    Array.from(terms.subarray(row * width, (row + 1) * width), (term) => (Number.isFinite(term) ? term : null)),
  );
}

function copyOf(
  candidate: Candidate,
  { promptTokens }: PolicyRequest,
  terms: MadeDecision["terms"],
): RecordedCandidate {
  const { outlook: pod } = candidate;
  const { outlook, nowMs } = terms;
  const { capacityTokens, matchedTokens } = candidate;
  const newTokens = promptTokens - matchedTokens;
  const forecast = pod &&
    outlook && {
      backlogMs: outlook.account.backlogMs(pod, nowMs),
      evictionMs:
        capacityTokens === undefined
          ? undefined
          : outlook.account.evictionMs({ pod, capacityTokens, newTokens, chain: outlook.chain }, nowMs),
      arrivalsPerMs: pod.arrivals.perMs(nowMs),
      workPerMs: pod.work.perMs(nowMs),
    };
  return {
    id: candidate.id,
    cluster: candidate.cluster,
    hash: candidate.hash,
    inFlight: candidate.inFlight,
    foreign: candidate.foreign,
    awaitingFirstToken: candidate.awaitingFirstToken,
    backlogTokens: candidate.backlogTokens,
    headAgeMs: candidate.headAgeMs,
    headTokens: candidate.headTokens,
    promptTokensInFlight: candidate.promptTokensInFlight,
    capacityTokens,
    maxModelLen: candidate.maxModelLen,
    blockTokens: candidate.blockTokens,
    matchedSegments: candidate.matchedSegments,
    matchedTokens,
    confirmedSegments: candidate.confirmedSegments,
    hostSegments: candidate.hostSegments,
    requests: candidate.requests,
    gauges: gaugesRead(candidate.gauges),
    pace: candidate.pace,
    busyShare: candidate.busyShare,
    firstTokenMs: candidate.firstTokenMs,
    decodeMs: candidate.decodeMs,
    outlook: forecast,
  };
}

/** Without the engine's totals: policies read the pace that is made of them. */
function gaugesRead(gauges: EngineGauges | undefined): EngineGauges | undefined {
  if (gauges === undefined) return undefined;
  const { running, waiting, kvUsage, utilization, generationTokensPerS } = gauges;
  const { runningAdapters, waitingAdapters, mostAdapters } = gauges;
  const adapters = { runningAdapters, waitingAdapters, mostAdapters };
  return { running, waiting, kvUsage, utilization, generationTokensPerS, ...adapters };
}

function hexHashes(segments: Uint32Array): string[] {
  const digits = (word: number | undefined) => (word ?? 0).toString(16).padStart(8, "0");
  return Array.from({ length: segments.length / 2 }, (_, i) => digits(segments[2 * i + 1]) + digits(segments[2 * i]));
}

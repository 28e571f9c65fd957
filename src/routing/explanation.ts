import { type DecisionTerms, policyRequest } from "./decide.ts";
import type { Admission } from "./dispatch.ts";
import type { LearnedRates } from "./learned-rates.ts";
import type { RouteRequest } from "./placement.ts";
import type { IndexState, Pod } from "./pod.ts";
import type { Candidate, PolicyRequest } from "./policy.ts";
import { promptLength } from "./prompt-length.ts";
import type { QueuePreview } from "./queue/request-queue.ts";
import { termRows } from "./recorded-decision.ts";
import type { RouterState } from "./router-state.ts";

/** What would become of a request, and why. */
export type Explanation = {
  readonly ok: true;
  readonly policy: string;
  readonly promptTokens: number;
  readonly segments: number;
  /** `placed`: at once. With any other, `candidates` tells where it would go if it were placed now. */
  readonly admission: Admission["kind"];
  readonly queue?: QueuePreview | undefined;
  /** Names of the term columns, units included. */
  readonly columns: readonly string[];
  /** In the order in which the policy would take them; the first is its choice. */
  readonly candidates: readonly ExplainedPod[];
  readonly leftOut: readonly LeftOutPod[];
  readonly rates: LearnedRates;
};

/** A pod that the policy chooses among. */
export type ExplainedPod = {
  readonly id: string;
  /** One a column; null where a term is no finite number. */
  readonly terms: readonly (number | null)[];
  readonly matchedTokens: number;
  readonly matchedSegments: number;
  readonly confirmedSegments: number;
  readonly hostSegments: number;
  /** Open leases of this router, and requests of others as far as the engine reports them. */
  readonly inFlight: number;
  readonly foreign: number;
  readonly backlogTokens: number;
  /** How far its claims can be trusted, */
  readonly index: IndexState;
  /** and whether they are in doubt until its collector has vouched for them. */
  readonly doubted: boolean;
};

/** Why a pod is none of them. `stale`: its collector has been silent; `no_room`: its engine or its cache is full. */
export type LeftOutReason = "other_model" | "draining" | "unready" | "tried" | "stale" | "ejected" | "no_room";

/** A pod that the policy does not get to see. */
export type LeftOutPod = { readonly id: string; readonly reasons: readonly LeftOutReason[] };

/** What an explanation is made from, beside the request. */
export type ExplainedTerms = Pick<RouterState, "registry" | "claims" | "health" | "limits"> & {
  /** Its field is of the admission's pods. */
  readonly terms: DecisionTerms;
  readonly admission: Admission;
  readonly nowMs: number;
};

/** So many candidates are put in order; the others follow by id. Each asks the policy once. */
const MOST_RANKED = 32;

/** Explains a decision without carrying it out. Pure. */
export function explanationOf(request: RouteRequest, explained: ExplainedTerms): Explanation {
  const { terms, admission, claims } = explained;
  const { policy, field, matches, rates, nowMs, adopting } = terms;
  const { pods } = field.columns;
  const promptTokens = request.promptTokens ?? promptLength(request, matches, rates);
  const candidates = field.judge({ promptTokens, matches, nowMs, adopting });
  const asked = policyRequest(request, promptTokens);
  const first = pods.length === 0 ? undefined : policy.decide(asked, candidates, terms);
  const rows = first === undefined ? [] : termRows(first, candidates.length, policy.columns.length);
  const order = first === undefined ? [] : orderFrom(first.chosen, asked, candidates, terms);
  return {
    ok: true,
    policy: policy.name,
    promptTokens,
    segments: asked.segments,
    admission: admission.kind,
    ...(admission.queue && { queue: admission.queue }),
    columns: policy.columns,
    candidates: order.map((index) => {
      const candidate = candidates[index] as Candidate;
      const pod = pods[index] as Pod;
      const { id, matchedTokens, matchedSegments, confirmedSegments, hostSegments } = candidate;
      const { inFlight, foreign, backlogTokens } = candidate;
      const match = { matchedTokens, matchedSegments, confirmedSegments, hostSegments };
      const load = { inFlight, foreign, backlogTokens };
      return {
        id,
        terms: rows[index] ?? [],
        ...match,
        ...load,
        index: pod.facts.index,
        doubted: claims.podSizes(pod).doubted > 0,
      };
    }),
    leftOut: leftOutOf(request, explained),
    rates,
  };
}

/** Indexes of the candidates: the policy's choice, then what it chooses among the others, and so on. */
function orderFrom(
  chosen: number,
  request: PolicyRequest,
  candidates: readonly Candidate[],
  terms: DecisionTerms,
): number[] {
  const left = [...candidates.keys()];
  const order = left.splice(chosen, 1);
  while (left.length > 1 && order.length < MOST_RANKED) {
    const among = left.map((index) => candidates[index] as Candidate);
    order.push(...left.splice(terms.policy.decide(request, among, terms).chosen, 1));
  }
  return [...order, ...left];
}

function leftOutOf(
  { model, excludedPods = [] }: RouteRequest,
  { admission, registry, health, limits, nowMs }: ExplainedTerms,
): LeftOutPod[] {
  const healthOf = health.podViews(nowMs);
  const reasonsOf = ({ id, facts, reportedAtMs }: Pod): LeftOutReason[] => {
    const reasons: LeftOutReason[] = [];
    if (!facts.servedModels.includes(model)) reasons.push("other_model");
    if (facts.state !== "ready") reasons.push(facts.state);
    if (excludedPods.includes(id)) reasons.push("tried");
    if (nowMs - reportedAtMs > limits.podFreshMs) reasons.push("stale");
    if ((healthOf.get(id)?.state.kind ?? "healthy") !== "healthy") reasons.push("ejected");
    return reasons.length > 0 ? reasons : ["no_room"];
  };
  return registry.pods
    .filter((pod) => !admission.pods.includes(pod))
    .map((pod) => ({ id: pod.id, reasons: reasonsOf(pod) }));
}

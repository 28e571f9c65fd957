import type { EvictionForecast, PlacementForecast, PodForecast } from "./outlook/forecast.ts";
import type { Candidate, Policy, PolicyContext, PolicyDecision } from "./policy.ts";
import type { PolicyMemoryView } from "./policy-memory.ts";
import { type Random, seededRandom } from "./random.ts";
import type { RecordedDecision, RecordedFlow, RecordedOutlook } from "./recorded-decision.ts";
import { memoryOf } from "./recorded-memory.ts";

/** What a policy other than the recorded one brings of its own. */
export type OwnState = { readonly memory: PolicyMemoryView; readonly random: Random };

/**
 * Decides a recorded request again. With the policy that was recorded and no state of its own, it is the same decision
 * to the last bit: the recorded memory and draws stand for the router's.
 */
export function decideAgain(recorded: RecordedDecision, policy: Policy, own?: OwnState): PolicyDecision {
  return policy.decide(recorded.request, recordedCandidates(recorded), contextOf(recorded, own));
}

/** The candidates as policies see them. */
export function recordedCandidates({ candidates }: RecordedDecision): Candidate[] {
  return candidates.map((candidate) => ({
    ...candidate,
    outlook: candidate.outlook && new RecordedForecast(candidate.outlook),
  }));
}

/** What else they see: learned rates, flow, the time. */
function contextOf(recorded: RecordedDecision, own?: OwnState): PolicyContext {
  const { rates, flow, holdsRequests, startedAtMs, atMs } = recorded;
  return {
    random: own?.random ?? replayedDraws(recorded.draws),
    memory: own?.memory ?? memoryOf(recorded.memory, recorded.request),
    rates,
    nowMs: startedAtMs + atMs,
    ...(holdsRequests === true && { holdsRequests }),
    ...(flow && { outlook: { account: new RecordedAccount(flow), chain: undefined, shared: flow.shared === true } }),
  };
}

/** What was drawn when the decision was recorded. A policy that draws more than it did then goes on with other numbers. */
function replayedDraws(draws: readonly number[]): Random {
  const further = seededRandom(draws.length);
  let next = 0;
  return () => draws[next++] ?? further();
}

class RecordedForecast implements PodForecast {
  readonly recorded: RecordedOutlook;

  constructor(recorded: RecordedOutlook) {
    this.recorded = recorded;
  }

  get arrivals() {
    return { perMs: () => this.recorded.arrivalsPerMs };
  }

  get work() {
    return { perMs: () => this.recorded.workPerMs };
  }
}

class RecordedAccount implements PlacementForecast {
  readonly #flow: RecordedFlow;

  constructor(flow: RecordedFlow) {
    this.#flow = flow;
  }

  get rates() {
    return this.#flow.prefill;
  }

  /** Only the delays from where the request entered were recorded. */
  get network() {
    return { from: () => new Map(this.#flow.networkMs) };
  }

  arrivalsPerMs(): number {
    return this.#flow.arrivalsPerMs;
  }

  workPerMs(): number {
    return this.#flow.workPerMs ?? 0;
  }

  backlogMs(pod: RecordedForecast): number {
    return pod.recorded.backlogMs;
  }

  evictionMs({ pod }: EvictionForecast<RecordedForecast>): number {
    return pod.recorded.evictionMs ?? 0;
  }
}

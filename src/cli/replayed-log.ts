import { isDeepStrictEqual } from "node:util";
import { warmpath } from "../routing/policies/warmpath.ts";
import { newPolicyMemory, type PolicyMemory } from "../routing/policy-memory.ts";
import { type Random, seededRandom } from "../routing/random.ts";
import type { RecordedDecision } from "../routing/recorded-decision.ts";
import { decideAgain, recordedCandidates } from "../routing/recorded-replay.ts";
import type { ReplayedPolicy } from "./replayed-policy.ts";

/** What a policy would have chosen. */
export type ReplayedChoice = {
  readonly decision: RecordedDecision;
  /** Index of a candidate. */
  readonly chosen: number;
  /** Predicted by `warmpath` for that candidate. */
  readonly ttftMs: number;
  /** The same for the candidate that was chosen. */
  readonly recordedTtftMs: number;
};

/** A log under one policy; undefined for the log as it is. */
export type ReplayedLog = { readonly policy: ReplayedPolicy | undefined; readonly choices: readonly ReplayedChoice[] };

const TTFT_COLUMN = warmpath.columns.indexOf("ttftMs");

/** The recorded choices, then those of each policy, decision by decision. */
export function replayLog(log: readonly RecordedDecision[], policies: readonly ReplayedPolicy[]): ReplayedLog[] {
  const predicted = log.map(predictedTtftMs);
  const choiceOf = (decision: RecordedDecision, i: number, chosen: number): ReplayedChoice => {
    const ttftMs = predicted[i] ?? [];
    return { decision, chosen, ttftMs: ttftMs[chosen] ?? 0, recordedTtftMs: ttftMs[decision.chosen] ?? 0 };
  };
  return [
    { policy: undefined, choices: log.map((decision, i) => choiceOf(decision, i, decision.chosen)) },
    ...policies.map((policy) => {
      const replay = new PolicyReplay(policy);
      return { policy, choices: log.map((decision, i) => choiceOf(decision, i, replay.next(decision))) };
    }),
  ];
}

/** By candidate. */
function predictedTtftMs(decision: RecordedDecision): number[] {
  const { terms } = decideAgain(decision, warmpath);
  return decision.candidates.map((_, i) => terms[i * warmpath.columns.length + TTFT_COLUMN] ?? 0);
}

/** A placement that its policy wants to know the outcome of. */
type Unsettled = { readonly decision: RecordedDecision; readonly endedAtMs: number };

/**
 * One policy on its way through a log. What it recorded itself it decides from the recorded memory and draws; elsewhere it
 * remembers its own choices, as far as the log goes back.
 */
class PolicyReplay {
  readonly #replayed: ReplayedPolicy;
  readonly #memory: PolicyMemory = newPolicyMemory();
  readonly #random: Random = seededRandom(1);
  #unsettled: Unsettled[] = [];

  constructor(replayed: ReplayedPolicy) {
    this.#replayed = replayed;
  }

  /** Index of the candidate it chooses. Decisions come in the order of the log. */
  next(decision: RecordedDecision): number {
    const { policy, parameters } = this.#replayed;
    const nowMs = decision.startedAtMs + decision.atMs;
    this.#settle(nowMs);
    const given: unknown = JSON.parse(decision.policyParameters ?? "{}");
    const isOwn = decision.policy === policy.name && isDeepStrictEqual(given, parameters);
    const own = isOwn ? undefined : { memory: this.#memory, random: this.#random };
    const { chosen } = decideAgain(decision, policy, own);
    this.#remember(decision, chosen, nowMs);
    return chosen;
  }

  #remember(decision: RecordedDecision, index: number, nowMs: number): void {
    const { policy } = this.#replayed;
    if (policy.placed === undefined) return;
    const candidates = recordedCandidates(decision);
    const chosen = candidates[index];
    if (chosen === undefined) return;
    policy.placed({ request: decision.request, candidates, chosen, nowMs, retried: decision.retried }, this.#memory);
    const { endedAtMs } = decision.outcome ?? {};
    if (policy.settled !== undefined && endedAtMs !== undefined) {
      this.#unsettled.push({ decision, endedAtMs: decision.startedAtMs + endedAtMs });
    }
  }

  #settle(nowMs: number): void {
    if (this.#unsettled.length === 0) return;
    const due = this.#unsettled.filter(({ endedAtMs }) => endedAtMs <= nowMs);
    this.#unsettled = this.#unsettled.filter(({ endedAtMs }) => endedAtMs > nowMs);
    for (const { decision, endedAtMs } of due.sort((a, b) => a.endedAtMs - b.endedAtMs)) {
      const { promptTokens, completionTokens } = decision.outcome ?? {};
      if (promptTokens === undefined || completionTokens === undefined) continue;
      const outcome = { request: decision.request, promptTokens, completionTokens, nowMs: endedAtMs };
      this.#replayed.policy.settled?.(outcome, this.#memory);
    }
  }
}

import { CandidateField, hitTokens } from "./candidates.ts";
import { type Decided, type DecisionTerms, decide } from "./decide.ts";
import type { PromptWork } from "./held-requests.ts";
import type { Continuation } from "./outlook/placement-outlook.ts";
import type { Chain } from "./outlook/pod-outlook.ts";
import type { RouteRequest } from "./placement.ts";
import type { Placing } from "./placements.ts";
import type { Pod } from "./pod.ts";
import type { Policy } from "./policy.ts";
import { promptLength } from "./prompt-length.ts";
import { type Random, seededRandom } from "./random.ts";
import { isAdopting, type RouterState } from "./router-state.ts";

/** What a decision needs that the state does not tell. */
type Deciding = Pick<DecisionTerms, "policy" | "field" | "random" | "retried"> & {
  readonly continuation: Continuation;
};

/** A policy's decision and what it was made from. `draws` are there where it is to be recorded. */
export type Chosen = {
  readonly decided: Decided;
  readonly terms: DecisionTerms;
  readonly chain: Chain | undefined;
  readonly draws: readonly number[] | undefined;
};

/** Looks prompts up and asks policies. Nothing that is decided is carried out here. */
export class PodChooser {
  readonly #state: RouterState;
  readonly #random: Random;
  /**
   * Of the last two sets of pods, the last one first, and the registry's version then. Mostly the next choice is among the
   * same pods; in an overload all pods and the open ones take turns.
   */
  #fields: readonly [CandidateField, CandidateField] = [new CandidateField([]), new CandidateField([])];
  #fieldsVersion = 0;
  #segmentBytes = 256;

  constructor(state: RouterState, random: Random) {
    this.#state = state;
    this.#random = random;
  }

  /** Of the model's settings, as the last request brought it. */
  get segmentBytes(): number {
    return this.#segmentBytes;
  }

  /** The pods a request may be sent to, busy or not. */
  podsFor(model: string, tried: ReadonlySet<string>, nowMs: number): readonly Pod[] {
    const { registry, health, limits } = this.#state;
    return health.admitted(registry.routable(model, nowMs, limits.podFreshMs, tried), nowMs);
  }

  /** What a prompt comes to on the pod that holds most of it. */
  workOf(request: RouteRequest, pods: readonly Pod[]): PromptWork {
    const { claims, learner } = this.#state;
    const { rates } = learner;
    claims.match(request.segments);
    const { columns } = this.#fieldOf(pods);
    const matches = claims.matchesOf(columns, request.segmentBytes / rates.bytesPerToken);
    const promptTokens = request.promptTokens ?? promptLength(request, matches, rates);
    let mostHit = 0;
    columns.blockTokens.forEach((blockTokens, i) => {
      mostHit = Math.max(mostHit, hitTokens(matches.tokens[i] as number, promptTokens, blockTokens));
    });
    return { promptTokens, uncachedTokens: promptTokens - mostHit };
  }

  /** Lets the policy choose among the pods, which are not none. */
  decide({ request, policy, tried }: Placing, pods: readonly Pod[], nowMs: number): Chosen {
    const { learner, outlook, decisions } = this.#state;
    this.#segmentBytes = request.segmentBytes;
    const continuation = outlook.continued(request.segments, request.segmentBytes / learner.rates.bytesPerToken);
    const sample = decisions.sample(this.#random);
    const random = sample?.random ?? this.#random;
    const field = this.#fieldOf(pods);
    const terms = this.#termsOf(request, { policy, field, random, retried: tried.size > 0, continuation }, nowMs);
    return { decided: decide(request, terms), terms, chain: continuation.chain, draws: sample?.draws };
  }

  /** What a decision among these pods would be made from. Changes nothing; draws are seeded by the prompt. */
  termsToExplain(request: RouteRequest, policy: Policy, pods: readonly Pod[], nowMs: number): DecisionTerms {
    const { segments, excludedPods = [] } = request;
    const { outlook, learner } = this.#state;
    const continuation = outlook.continued(segments, request.segmentBytes / learner.rates.bytesPerToken);
    const random = seededRandom(segments.at(-2) ?? 0);
    const retried = excludedPods.length > 0;
    return this.#termsOf(request, { policy, field: new CandidateField(pods), random, retried, continuation }, nowMs);
  }

  /** Looks the prompt up: what was found of the one before is void. */
  #termsOf(
    request: RouteRequest,
    { policy, field, random, retried, continuation }: Deciding,
    nowMs: number,
  ): DecisionTerms {
    const { claims, learner, outlook, policies, held } = this.#state;
    const { rates } = learner;
    claims.match(request.segments);
    return {
      policy,
      field,
      matches: claims.matchesOf(field.columns, request.segmentBytes / rates.bytesPerToken),
      rates,
      random,
      memory: policies.memory,
      retried,
      nowMs,
      adopting: isAdopting(this.#state, nowMs),
      holdsRequests: held.isEnabled,
      outlook: { account: outlook, ...continuation },
    };
  }

  #fieldOf(pods: readonly Pod[]): CandidateField {
    const { version } = this.#state.registry;
    const [last, other] = this.#fields;
    const holds = this.#fieldsVersion === version;
    if (holds && areSame(last.columns.pods, pods)) return last;
    const field = holds && areSame(other.columns.pods, pods) ? other : new CandidateField(pods);
    this.#fields = [field, holds ? last : field];
    this.#fieldsVersion = version;
    return field;
  }
}

function areSame(some: readonly Pod[], others: readonly Pod[]): boolean {
  if (some === others) return true;
  if (some.length !== others.length) return false;
  for (let i = 0; i < some.length; i++) if (some[i] !== others[i]) return false;
  return true;
}

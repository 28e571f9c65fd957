import { policyNamed } from "../../../src/routing/policies/registry.ts";
import type { Candidate, Policy, PolicyContext, PolicyRequest } from "../../../src/routing/policy.ts";
import { newPolicyMemory, type PolicyMemory } from "../../../src/routing/policy-memory.ts";
import { seededRandom } from "../../../src/routing/random.ts";
import { textHash } from "../../../src/routing/rendezvous.ts";

/** A request of 1,000 tokens in 10 segments. */
export const request: PolicyRequest = { model: "m", promptTokens: 1_000, segments: 10, choices: 1 };

/** An idle pod without gauges that holds nothing of the prompt. */
export function candidate(id: string, change: Partial<Candidate> = {}): Candidate {
  return {
    id,
    cluster: "local",
    hash: textHash(id),
    inFlight: 0,
    foreign: 0,
    awaitingFirstToken: 0,
    backlogTokens: 0,
    headAgeMs: 0,
    headTokens: 0,
    promptTokensInFlight: 0,
    capacityTokens: 100_000,
    maxModelLen: undefined,
    blockTokens: undefined,
    matchedSegments: 0,
    matchedTokens: 0,
    confirmedSegments: 0,
    hostSegments: 0,
    requests: 0,
    gauges: undefined,
    pace: undefined,
    busyShare: 0,
    firstTokenMs: undefined,
    decodeMs: undefined,
    ...change,
  };
}

/** Candidates a, b, c, ... with these changes. */
export function fleet(...changes: readonly Partial<Candidate>[]): Candidate[] {
  return changes.map((change, i) => candidate(String.fromCharCode(97 + i), change));
}

export function context(seed = 1, memory: PolicyMemory = newPolicyMemory(), nowMs = 1_000_000): PolicyContext {
  return { random: seededRandom(seed), rates: { prefillTokensPerMs: 20, bytesPerToken: 4 }, nowMs, memory };
}

/** The policy of that name. Throws where the name or the parameters are refused. */
export function named(name: string, parameters: Record<string, unknown> = {}): Policy {
  const made = policyNamed(name, parameters);
  if (!made.ok) throw new Error(made.problem);
  return made.policy;
}

/** Ids chosen over many seeds, in order. */
export function choices(
  policy: Policy,
  candidates: readonly Candidate[],
  asked: PolicyRequest = request,
  memory: PolicyMemory = newPolicyMemory(),
): string[] {
  const ids = new Set<string>();
  for (let seed = 0; seed < 60; seed++) {
    const { chosen } = policy.decide(asked, candidates, context(seed, memory));
    ids.add((candidates[chosen] as Candidate).id);
  }
  return [...ids].sort();
}

/** Decides and remembers, as the router does. Returns the chosen id. */
export function place(
  policy: Policy,
  candidates: readonly Candidate[],
  memory: PolicyMemory,
  change: {
    readonly asked?: PolicyRequest;
    readonly nowMs?: number;
    readonly seed?: number;
    readonly retried?: boolean;
  } = {},
): string {
  const { asked = request, nowMs = 1_000_000, seed = 1, retried = false } = change;
  const { chosen } = policy.decide(asked, candidates, context(seed, memory, nowMs));
  const pod = candidates[chosen] as Candidate;
  policy.placed?.({ request: asked, candidates, chosen: pod, nowMs, retried }, memory);
  return pod.id;
}

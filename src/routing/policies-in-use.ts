import type { LeaseOutcome, RouteRefusal, RouteRequest } from "./placement.ts";
import type { MadePolicy } from "./policies/definition.ts";
import { policyNamed, policyNames } from "./policies/registry.ts";
import type { Policy, PolicyPlacement, PolicyRequest } from "./policy.ts";
import { newPolicyMemory, type PolicyMemory, type PolicyMemoryView, remember } from "./policy-memory.ts";

/** Lists of policies' memory as they are kept over a restart, the most recent entries last. */
export type KeptMemory = {
  readonly [Name in keyof PolicyMemory]?: PolicyMemory[Name] extends Map<infer Key, infer Value>
    ? readonly (readonly [Key, Value])[]
    : never;
};

/** Names and blends made into policies that are kept. */
const MOST_KEPT = 256;
/** The memory is written this often at most. */
const KEEP_MEMORY_EVERY_MS = 10_000;

/**
 * The policies of one model: made once from their names and parameters, and their memory, which only `placed` and
 * `finished` change.
 */
export class PoliciesInUse {
  readonly memory: PolicyMemory = newPolicyMemory();
  readonly #made = new Map<string, MadePolicy>();
  /** By lease: placements whose policy wants to know what they came to. */
  readonly #unsettled = new Map<string, { readonly policy: Policy; readonly request: PolicyRequest }>();

  /** When the memory was last written, and whether it is another one since. */
  #memoryKeptAtMs = Number.NEGATIVE_INFINITY;
  #memoryChanged = false;

  /** The policy a request asks for. */
  find({ policy, policyParameters }: RouteRequest): { readonly ok: true; readonly policy: Policy } | RouteRefusal {
    const key = policyParameters === undefined ? policy : `${policy} ${policyParameters}`;
    let made = this.#made.get(key);
    if (made === undefined) {
      made = madePolicy(policy, policyParameters);
      remember(this.#made, key, made, MOST_KEPT);
    }
    return made.ok ? made : { ok: false, reason: "unknown_policy", known: policyNames(), problem: made.problem };
  }

  /** A decision was carried out under this lease. */
  placed(leaseId: string, policy: Policy, placement: PolicyPlacement): void {
    policy.placed?.(placement, this.memory);
    this.#memoryChanged ||= policy.placed !== undefined;
    if (policy.settled !== undefined) this.#unsettled.set(leaseId, { policy, request: placement.request });
  }

  /** The lease is closed. Without usage what was estimated stands. */
  finished(leaseId: string, { promptTokens, completionTokens }: Partial<LeaseOutcome>, nowMs: number): void {
    const unsettled = this.#unsettled.get(leaseId);
    if (unsettled === undefined) return;
    this.#unsettled.delete(leaseId);
    if (promptTokens === undefined || completionTokens === undefined) return;
    const { policy, request } = unsettled;
    policy.settled?.({ request, promptTokens, completionTokens, nowMs }, this.memory);
    this.#memoryChanged = true;
  }

  /** The memory, if it is to be written now: then it counts as kept. */
  memoryToKeep(nowMs: number): PolicyMemoryView | undefined {
    if (!this.#memoryChanged || nowMs - this.#memoryKeptAtMs < KEEP_MEMORY_EVERY_MS) return undefined;
    this.#memoryChanged = false;
    this.#memoryKeptAtMs = nowMs;
    return this.memory;
  }

  /** Takes up a memory that was kept, list by list. */
  restoreMemory(kept: KeptMemory): void {
    const lists = this.memory as Record<keyof PolicyMemory, Map<string, unknown>>;
    for (const [name, entries] of Object.entries(kept) as [keyof PolicyMemory, KeptMemory[keyof PolicyMemory]][]) {
      for (const [key, value] of entries ?? []) lists[name].set(key, value);
    }
  }
}

/** The policy of a name and its parameters as JSON text. */
export function madePolicy(policy: string, parameters: string | undefined): MadePolicy {
  if (parameters === undefined) return policyNamed(policy);
  const given: unknown = JSON.parse(parameters);
  if (typeof given !== "object" || given === null) return { ok: false, problem: "parameters must be an object" };
  return policyNamed(policy, { ...given });
}

import type { LeaseOutcome, RouteRefusal, RouteRequest } from "./placement.ts";
import type { MadePolicy } from "./policies/definition.ts";
import { policyNamed, policyNames } from "./policies/registry.ts";
import type { Policy, PolicyPlacement, PolicyRequest } from "./policy.ts";
import { newPolicyMemory, type PolicyMemory, remember } from "./policy-memory.ts";

/** Names and blends made into policies that are kept. */
const MOST_KEPT = 256;

/**
 * The policies of one model: made once from their names and parameters, and their memory, which only `placed` and
 * `finished` change.
 */
export class PoliciesInUse {
  readonly memory: PolicyMemory = newPolicyMemory();
  readonly #made = new Map<string, MadePolicy>();
  /** By lease: placements whose policy wants to know what they came to. */
  readonly #unsettled = new Map<string, { readonly policy: Policy; readonly request: PolicyRequest }>();

  /** The policy a request asks for. */
  find({ policy, policyParameters }: RouteRequest): { readonly ok: true; readonly policy: Policy } | RouteRefusal {
    const key = policyParameters === undefined ? policy : `${policy} ${policyParameters}`;
    let made = this.#made.get(key);
    if (made === undefined) {
      made = make(policy, policyParameters);
      remember(this.#made, key, made, MOST_KEPT);
    }
    return made.ok ? made : { ok: false, reason: "unknown_policy", known: policyNames(), problem: made.problem };
  }

  /** A decision was carried out under this lease. */
  placed(leaseId: string, policy: Policy, placement: PolicyPlacement): void {
    policy.placed?.(placement, this.memory);
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
  }
}

function make(policy: string, parameters: string | undefined): MadePolicy {
  if (parameters === undefined) return policyNamed(policy);
  const given: unknown = JSON.parse(parameters);
  if (typeof given !== "object" || given === null) return { ok: false, problem: "parameters must be an object" };
  return policyNamed(policy, { ...given });
}

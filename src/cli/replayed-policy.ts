import { policyNamed, policyNames } from "../routing/policies/registry.ts";
import type { Policy } from "../routing/policy.ts";

/** A policy to replay a log under. */
export type ReplayedPolicy = {
  /** As the user wrote it. */
  readonly label: string;
  readonly policy: Policy;
  readonly parameters: Readonly<Record<string, unknown>>;
};

/**
 * Reads `--policy`: names separated by commas; or a blend, which has colons (`prefix-cache:2,least-request:1`); or one
 * policy or blend with parameters, `weighted={"session":5}`. Throws an Error that lists what there is.
 */
export function replayedPolicies(text: string): ReplayedPolicy[] {
  const equals = text.indexOf("=");
  if (equals >= 0) return [replayedPolicy(text, text.slice(0, equals), parametersIn(text.slice(equals + 1)))];
  if (text.includes(":")) return [replayedPolicy(text, text, {})];
  return text.split(",").map((name) => replayedPolicy(name.trim(), name.trim(), {}));
}

function replayedPolicy(label: string, name: string, parameters: Readonly<Record<string, unknown>>): ReplayedPolicy {
  const made = policyNamed(name, parameters);
  if (made.ok) return { label, policy: made.policy, parameters };
  throw new Error(`${label}: ${made.problem}. There are ${policyNames().join(", ")}, and blends of them.`);
}

function parametersIn(json: string): Readonly<Record<string, unknown>> {
  try {
    const parameters: unknown = JSON.parse(json);
    if (typeof parameters === "object" && parameters !== null) return { ...parameters };
  } catch {
    // Said below, as for JSON that is no object.
  }
  throw new Error(`${json} is no JSON object of parameters`);
}

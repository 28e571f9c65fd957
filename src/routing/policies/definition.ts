import type { Policy } from "../policy.ts";

/** The value of a policy's parameter. Numbers are never negative. */
export type ParameterValue = number | string | boolean;

/** Parameters by name, as an operator gives them. */
export type Parameters = Readonly<Record<string, unknown>>;

/** A policy that can be named, before its parameters are set. */
export type PolicyDefinition = {
  readonly name: string;
  /** Every parameter it takes, with its default. */
  readonly defaults: Readonly<Record<string, ParameterValue>>;
  /** Makes the policy, or says what is wrong with the parameters. */
  readonly make: (given: Parameters) => MadePolicy;
};

export type MadePolicy =
  | { readonly ok: true; readonly policy: Policy }
  | { readonly ok: false; readonly problem: string };

/** Defines a policy with parameters. A given one must be known and of its default's type. */
export function definePolicy<Values extends Readonly<Record<string, ParameterValue>>>(
  name: string,
  defaults: Values,
  make: (parameters: Values) => Policy,
): PolicyDefinition {
  return {
    name,
    defaults,
    make(given) {
      const problem = parameterProblem(name, defaults, given);
      if (problem !== undefined) return { ok: false, problem };
      return { ok: true, policy: make({ ...defaults, ...given }) };
    },
  };
}

/** Defines a policy without parameters. */
export function fixedPolicy(policy: Policy): PolicyDefinition {
  return definePolicy(policy.name, {}, () => policy);
}

function parameterProblem(
  name: string,
  defaults: Readonly<Record<string, ParameterValue>>,
  given: Parameters,
): string | undefined {
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(defaults, key)) {
      const known = Object.keys(defaults);
      const takes = known.length === 0 ? "it takes none" : `it takes ${known.join(", ")}`;
      return `${name} has no parameter ${key}: ${takes}`;
    }
    const expected = typeof defaults[key];
    const usable = typeof value === expected && (typeof value !== "number" || (Number.isFinite(value) && value >= 0));
    if (!usable)
      return `the parameter ${key} of ${name} must be a ${expected}${expected === "number" ? " of 0 or more" : ""}`;
  }
  return undefined;
}

import { InvalidArgumentError } from "commander";
import * as z from "zod";
import { policySchema } from "../../settings/policy-settings.ts";
import { names } from "../report/option-values.ts";

/** Exist in the simulator only: they look into the engines. */
export const BOUNDS: ReadonlySet<string> = new Set(["omniscient", "pooled", "est-ttft"]);

/** A policy to be run. */
export type AskedPolicy = {
  /** Of a policy or a bound, or a blend: `prefix-cache:2,least-request:1`. */
  readonly policy: string;
  /** As JSON text, where they are not the defaults. */
  readonly policyParameters?: string;
};

const parametersText = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch (error) {
      context.addIssue({ code: "custom", message: String(error) });
      return z.NEVER;
    }
  })
  .pipe(z.record(z.string(), z.unknown()));

/**
 * Reads the value of one `--policy`: names separated by commas, or, where there is a weight or a parameter in it, one
 * blend or policy (`prefix-cache:2,least-request:1`, `chwbl {"loadFactor":1.5}`). Throws InvalidArgumentError.
 */
export function askedPolicies(text: string): AskedPolicy[] {
  return /[:{]/.test(text) ? [onePolicy(text)] : names(text).map(onePolicy);
}

function onePolicy(text: string): AskedPolicy {
  const at = text.indexOf("{");
  const policy = (at < 0 ? text : text.slice(0, at)).trim();
  if (at < 0 && BOUNDS.has(policy)) return { policy };
  const parameters = at < 0 ? undefined : valid(parametersText.safeParse(text.slice(at)), text);
  valid(policySchema.safeParse({ name: policy, parameters }), text);
  return { policy, ...(parameters !== undefined && { policyParameters: JSON.stringify(parameters) }) };
}

function valid<Value>(parsed: z.ZodSafeParseResult<Value>, text: string): Value {
  if (parsed.success) return parsed.data;
  throw new InvalidArgumentError(`"${text}": ${parsed.error.issues.map(({ message }) => message).join("; ")}`);
}

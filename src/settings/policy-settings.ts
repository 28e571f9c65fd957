import * as z from "zod";

const number = z.number().min(0).optional();
const whole = z.number().int().min(0).optional();
const share = z.number().min(0).max(1).optional();
const seconds = z.number().min(1).optional();
const none = z.strictObject({});

/**
 * The parameters of each routing policy, by its name. What they mean and their defaults are with the policies, in
 * src/routing/policies; a test holds the two lists together.
 */
export const POLICY_PARAMETERS = {
  warmpath: none,
  random: none,
  "round-robin": none,
  "least-request": none,
  "power-of-two": z.strictObject({ load: z.enum(["requests", "kv"]).optional() }),
  throughput: none,
  "least-kv-cache": none,
  "least-busy-time": none,
  "least-latency": none,
  "least-utilization": z.strictObject({ mostRunning: z.number().int().min(1).optional() }),
  "prefix-cache": z.strictObject({ imbalance: whole, deviations: number }),
  "prefix-cache-preble": z.strictObject({
    imbalance: whole,
    windowS: seconds,
    gpu: z.enum(["V100", "A6000"]).optional(),
  }),
  "vtc-basic": z.strictObject({
    windowS: seconds,
    inputWeight: number,
    outputWeight: number,
    fairnessWeight: number,
    utilizationWeight: number,
    mostRequests: z.number().int().min(1).optional(),
    leastTokens: whole,
    mostTokens: whole,
  }),
  "session-affinity": z.strictObject({ pinS: seconds }),
  "cache-aware": z.strictObject({
    cacheThreshold: share,
    balanceAbs: whole,
    balanceRel: z.number().min(1).optional(),
    kvOverload: share,
    kvSpread: share,
    spill: z.enum(["fleet", "candidate"]).optional(),
  }),
  "consistent-hash": none,
  "least-load": z.strictObject({
    kvWeight: number,
    assumedTokensPerS: z.number().gt(0).optional(),
    unknownTokens: whole,
  }),
  chwbl: z.strictObject({
    loadFactor: z.number().min(1).optional(),
    key: z.enum(["opening", "session"]).optional(),
  }),
  weighted: z.strictObject({
    prefix: number,
    queue: number,
    kv: number,
    precisePrefix: number,
    running: number,
    tokenLoad: number,
    loraAffinity: number,
    noHitLru: number,
    session: number,
    activeRequest: number,
    contextLength: number,
    prefixTokensShare: share,
    hostCredit: share,
    fullTokens: z.number().int().min(1).optional(),
    sessionS: seconds,
    idleRequests: whole,
    mostBusyScore: share,
    picker: z.enum(["max-score", "weighted-random"]).optional(),
  }),
  "affinity-filter": z.strictObject({
    hitShare: share,
    mostPenaltyMs: number,
    prefillTokensPerS: number,
    fullTokens: z.number().int().min(1).optional(),
    explorationProbability: share,
    lookahead: z.boolean().optional(),
  }),
  "kv-cost": z.strictObject({
    overlapCredit: number,
    hostCredit: number,
    overlapDecay: number,
    prefillScale: number,
    requestWeight: number,
    temperature: number,
    formula: z.enum(["sum", "lmetric"]).optional(),
  }),
  skywalker: z.strictObject({ matchShare: share, imbalance: whole }),
} as const satisfies Record<string, z.ZodObject>;

/** Policies that judge pods one by one, and so can be blended. */
export const BLENDABLE: ReadonlySet<string> = new Set([
  "least-request",
  "throughput",
  "least-kv-cache",
  "least-busy-time",
  "least-latency",
  "least-utilization",
  "prefix-cache",
  "prefix-cache-preble",
  "vtc-basic",
  "session-affinity",
  "least-load",
]);

const schemas = new Map<string, z.ZodObject>(Object.entries(POLICY_PARAMETERS));

/** A policy as settings name it. */
export type PolicySettings = { readonly name: string; readonly parameters: Readonly<Record<string, unknown>> };

/**
 * A model's policy: its name, or a blend (`prefix-cache:2,least-request:1`), with parameters where the defaults will not
 * do. The parameters of a blend are by member.
 */
export const policySchema = z
  .union([
    z.string().transform((name): PolicySettings => ({ name, parameters: {} })),
    z.strictObject({ name: z.string(), parameters: z.record(z.string(), z.unknown()).default({}) }),
  ])
  .superRefine(({ name, parameters }, context) => {
    const blend = /[:,]/.test(name);
    const entries = blend ? name.split(",").map((entry) => entry.trim()) : [name];
    const members = entries.map((entry) => entry.replace(/:\d{1,7}$/, ""));
    for (const member of members) {
      const schema = schemas.get(member);
      if (schema === undefined) {
        const known = [...schemas.keys()].join(", ");
        context.addIssue({ code: "custom", path: ["name"], message: `there is no policy "${member}"; use ${known}` });
      } else if (blend && !BLENDABLE.has(member)) {
        context.addIssue({ code: "custom", path: ["name"], message: `${member} cannot be part of a blend` });
      } else {
        const path = blend ? ["parameters", member] : ["parameters"];
        const given = blend ? (parameters[member] ?? {}) : parameters;
        for (const issue of problemsOf(schema, member, given)) {
          context.addIssue({ code: "custom", path: [...path, ...issue.path], message: issue.message });
        }
      }
    }
    const stray = blend ? Object.keys(parameters).filter((key) => !members.includes(key)) : [];
    for (const key of stray) {
      context.addIssue({ code: "custom", path: ["parameters", key], message: "is no member of the blend" });
    }
  });

type Problem = { readonly path: readonly PropertyKey[]; readonly message: string };

function problemsOf(schema: z.ZodObject, policy: string, given: unknown): Problem[] {
  const parsed = schema.safeParse(given);
  if (parsed.success) return [];
  const allowed = Object.keys(schema.shape);
  const takes = allowed.length === 0 ? "it takes none" : `it takes ${allowed.join(", ")}`;
  return parsed.error.issues.map(({ code, path, message }) => ({
    path,
    message: code === "unrecognized_keys" ? `${message} for ${policy}: ${takes}` : message,
  }));
}

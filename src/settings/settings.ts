import * as z from "zod";
import { promptSettingsSchema } from "../protocol/prompt-settings.ts";
import { decisionsSchema } from "./decision-settings.ts";
import { policySchema } from "./policy-settings.ts";
import { healthSchema, queueSchema } from "./queue-settings.ts";

/**
 * What an operator writes: `warmpath.config.json`. Secrets are never in it: where one is needed, the file names the
 * environment variable (Worker secret) that holds it.
 */

const name = z.string().min(1).max(256);
const environmentVariable = z.string().regex(/^[A-Z][A-Z0-9_]*$/, "must name an environment variable, like ENGINE_KEY");
const milliseconds = z.number().int().min(1);

const clusterSchema = z.strictObject({
  name: name.regex(/^[a-z0-9][a-z0-9-]*$/, "must be lower-case letters, digits and dashes"),
  /** How the edge reaches this cluster's pods. `direct`: at the address the collector reports. */
  upstream: z.discriminatedUnion("kind", [z.strictObject({ kind: z.literal("direct") })]),
  /** Variables holding the keys that sign this cluster's pushes; two while a key is rotated. */
  pushKeys: z.array(environmentVariable).min(1).max(2),
  /** Variable holding the bearer token the engines ask for (`--api-key`). */
  engineKey: environmentVariable.optional(),
});
export type ClusterSettings = z.infer<typeof clusterSchema>;

const modelSchema = z.strictObject({
  name,
  /** Other names of the same model, as the engines serve it. */
  aliases: z.array(name).default([]),
  /** LoRA adapters served on the model's pods. */
  adapters: z.array(name).default([]),
  /** Used where a request names none in its `routing-strategy` header. */
  policy: policySchema.default({ name: "warmpath", parameters: {} }),
  /** Bytes of prompt text in a segment. */
  segmentBytes: z.number().int().min(32).max(4096).default(256),
  prompt: promptSettingsSchema.default({ renderer: "none" }),
  queue: queueSchema.default({}),
  health: healthSchema.default({}),
  decisions: decisionsSchema.default({}),
  /** Where the ModelRouter is created: a Durable Object location hint near the pods. */
  region: z.string().min(1).optional(),
});
export type ModelSettings = z.infer<typeof modelSchema>;

const keySchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9]{1,32}$/, "must be 1 to 32 lower-case letters and digits"),
  /** SHA-256 of the whole key, lower-case hex. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "must be 64 hex digits"),
  /** Model names the key may use; absent means all. */
  models: z.array(name).optional(),
  expiresAt: z.iso.datetime().optional(),
  /** Of its requests that wait for a pod, larger goes first. */
  priority: z.number().int().min(-1_000).max(1_000).default(0),
  /** With twice the weight a key is served twice as much when all want more. */
  weight: z.number().min(0.001).max(1_000).default(1),
  /** Shows decisions in reply headers. */
  debug: z.boolean().default(false),
});
export type KeySettings = z.infer<typeof keySchema>;

const limitsSchema = z.strictObject({
  /** Largest JSON body. */
  bodyBytes: z
    .number()
    .int()
    .min(1024)
    .max(16 * 1024 * 1024)
    .default(8 * 1024 * 1024),
  /** Bodies held in one isolate at a time; above it requests are refused with `edge_busy`. */
  heldBytes: z
    .number()
    .int()
    .min(1024)
    .max(64 * 1024 * 1024)
    .default(24 * 1024 * 1024),
  /** Pods a request is tried on before it fails. */
  attempts: z.number().int().min(1).max(10).default(3),
  /** The model's router has this long to place a request; then the Worker places it by itself. */
  routeMs: milliseconds.default(3_000),
  /** Streams are answered with the headers of the first pod that accepts them, ahead of the first token. */
  headersEarly: z.boolean().default(true),
  /** A pod silent for this long is asked for a sign of life; silent for as long again, it counts as unreachable. */
  connectMs: milliseconds.default(3_000),
  /** From a streamed request's arrival to the first body byte of its answer, all attempts together. */
  firstByteMs: milliseconds.default(120_000),
  /**
   * A streamed request that has waited for its first byte for this long on one pod is moved if that is far longer than
   * was predicted, and another pod has room.
   */
  overdueMs: milliseconds.default(10_000),
  /** From sending a streamed request to one pod to its first body byte; then another pod is tried. */
  attemptFirstByteMs: milliseconds.default(60_000),
  /** From the arrival of a request that is not streamed to the whole of its answer, all attempts together. */
  wholeMs: milliseconds.default(600_000),
  /** Longest silence within a stream after its first byte. */
  idleMs: milliseconds.default(60_000),
  /**
   * Whose silence `idleMs` bounds. `pod`: a pod that says nothing to anybody; streams pass natively. `bytes`: every
   * single stream's; each chunk is read in JavaScript, at several times the CPU.
   */
  idleWatch: z.enum(["pod", "bytes"]).default("pod"),
  /** From a request's arrival to the end of its answer. */
  totalMs: milliseconds.default(3_600_000),
  /** Upstream statuses that move a request to another pod. */
  moveStatuses: z.array(z.number().int().min(400).max(599)).default([408, 429, 500, 502, 503, 504]),
  /** Streams of which the edge reads the usage in JavaScript: one of this many. 0: none. */
  usageOneIn: z.number().int().min(0).default(16),
  /** Longest prompt that is hashed, in segments. */
  promptSegments: z.number().int().min(1).max(65_536).default(16_384),
});
export type LimitSettings = z.infer<typeof limitsSchema>;

const settingsSchema = z.strictObject({
  clusters: z.array(clusterSchema).min(1),
  models: z.array(modelSchema).min(1),
  keys: z.array(keySchema).default([]),
  limits: limitsSchema.prefault({}),
});
export type Settings = z.infer<typeof settingsSchema>;

/** The same before defaults are filled in: what a config file holds. */
export type SettingsFile = z.input<typeof settingsSchema>;

/** The settings do not hold: `problems` has a line for each field, led by its path. */
export class SettingsError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`warmpath.config: ${problems.join("; ")}`);
    this.name = "SettingsError";
    this.problems = problems;
  }
}

/** Checks a config file's value (or its JSON text). Throws SettingsError naming each wrong field. */
export function parseSettings(value: unknown): Settings {
  const parsed = settingsSchema.safeParse(typeof value === "string" ? fromJson(value) : value);
  if (!parsed.success) {
    throw new SettingsError(parsed.error.issues.map(({ path, message }) => `${pathText(path)}: ${message}`));
  }
  const problems = [
    ...repeated(
      "clusters",
      "name",
      parsed.data.clusters.map((cluster) => cluster.name),
    ),
    ...repeated(
      "keys",
      "id",
      parsed.data.keys.map((key) => key.id),
    ),
    ...repeated(
      "models",
      "name",
      parsed.data.models.flatMap((model) => [model.name, ...model.aliases, ...model.adapters]),
    ),
  ];
  if (problems.length > 0) throw new SettingsError(problems);
  return parsed.data;
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SettingsError([`not JSON: ${error instanceof Error ? error.message : String(error)}`]);
  }
}

function pathText(path: readonly PropertyKey[]): string {
  if (path.length === 0) return "(whole file)";
  return path.reduce<string>(
    (text, key) => (typeof key === "number" ? `${text}[${key}]` : `${text}${text && "."}${String(key)}`),
    "",
  );
}

function repeated(list: string, field: string, values: readonly string[]): string[] {
  const twice = values.filter((value, i) => values.indexOf(value) !== i);
  return [...new Set(twice)].map((value) => `${list}: ${field} "${value}" is used twice`);
}

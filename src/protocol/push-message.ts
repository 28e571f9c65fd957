import * as z from "zod";

/**
 * What a collector pushes for one model: `POST /collector/v1/push`, MessagePack, gzip, signed (see push-signature.ts).
 * The format is described for other implementers in docs/push-format.md.
 */
export const PUSH_SCHEMA = 1;

const count = z.number().int().min(0);
const name = z.string().min(1).max(512);

/**
 * One reading of an engine's own gauges. A gauge the engine does not report is absent and means *unknown*, never zero.
 * `ageMs` is measured by the sender when the push is encoded, so that no two clocks are compared.
 */
const engineSampleSchema = z.object({
  ageMs: z.number().min(0),
  running: count.optional(),
  waiting: count.optional(),
  /** Share of the KV cache in use, 0 to 1. */
  kvUsage: z.number().min(0).max(1).optional(),
  /** Prompt tokens looked up in the prefix cache since the engine started. */
  prefixQueryTokens: z.number().min(0).optional(),
  /** Prompt tokens the prefix cache answered since the engine started. */
  prefixHitTokens: z.number().min(0).optional(),
  /** The engine's own measure of how full its batches are, 0 to 1. */
  utilization: z.number().min(0).max(1).optional(),
  /** Tokens generated in a second, as the engine measures it. */
  generationTokensPerS: z.number().min(0).optional(),
  /** Tokens taken in and generated since the engine started. */
  promptTokens: z.number().min(0).optional(),
  generationTokens: z.number().min(0).optional(),
  /** Requests timed since the engine started, and the sums of their times: queue, first token, whole. */
  timedRequests: z.number().min(0).optional(),
  queueS: z.number().min(0).optional(),
  firstTokenS: z.number().min(0).optional(),
  requestS: z.number().min(0).optional(),
  /** LoRA adapters in the running batch and in the queue, and how many may be active at once. */
  runningAdapters: z.array(name).max(1024).optional(),
  waitingAdapters: z.array(name).max(1024).optional(),
  mostAdapters: count.optional(),
});
export type EngineSample = z.infer<typeof engineSampleSchema>;

/** What the collector counted on a pod's KV-event stream since the pod's epoch began. */
const kvEventCountsSchema = z.object({
  batches: count,
  blocksStored: count,
  blocksRemoved: count,
  clears: count,
  /** Events of a kind or shape the collector does not know. */
  skipped: count,
  /** Messages that could not be decoded. */
  malformed: count,
  /** Sequence gaps, filled by replay or not. */
  gaps: count,
  /** Gaps that replay did not fill. */
  unfilledGaps: count,
});
export type KvEventCounts = z.infer<typeof kvEventCountsSchema>;

const podReportSchema = z.object({
  /** `namespace/name/port`; the edge prefixes the cluster it authenticated. */
  name,
  epoch: name,
  /** Where the engine's API listens, as seen from the cluster: `http://10.0.1.7:8000`. */
  url: z.url({ protocol: /^https?$/ }),
  engine: z.enum(["vllm", "sglang", "trtllm", "unknown"]),
  engineVersion: z.string().max(128).optional(),
  /** `draining` pods finish their leases and get no new ones. */
  state: z.enum(["ready", "draining", "unready"]),
  /** Every name the engine answers to: base model, aliases, LoRA adapters. */
  servedModels: z.array(name).max(1024),
  maxModelLen: count.optional(),
  /** KV cache size in tokens. */
  capacityTokens: count.optional(),
  blockTokens: count.optional(),
  /**
   * How far the pod's claims can be trusted; absent means `approximate`. `rendering` names what that was proven with (see
   * model-rendering.ts): the edge takes anything proven with another one for `approximate`.
   */
  index: z
    .object({
      mode: z.enum(["exact", "mixed", "approximate"]),
      reason: z.string().max(512).optional(),
      rendering: z.string().max(64).optional(),
    })
    .optional(),
  sample: engineSampleSchema.optional(),
  /** Absent where the pod publishes no KV events. */
  kvEvents: kvEventCountsSchema.optional(),
});
export type PodReport = z.infer<typeof podReportSchema>;

/** Segment hashes, 8 bytes each, little-endian, in the order of the prompt. */
const segmentHashes = z
  .instanceof(Uint8Array)
  .refine((bytes) => bytes.byteLength % 8 === 0, "segment hashes are 8 bytes each");

/** Tokens of the prompt up to and including each segment, 4 bytes each, little-endian. */
const tokenCounts = z
  .instanceof(Uint8Array)
  .refine((bytes) => bytes.byteLength % 4 === 0, "token counts are 4 bytes each");

const word = z.number().int().min(0).max(0xffff_ffff);

/**
 * A set of segments in two sums that do not depend on order: of the low and of the high words of their hashes, each
 * modulo 2^32. The hashes are mixed already, so sets that differ have equal sums once in 2^64.
 */
const claimDigestSchema = z.object({ low: word, high: word });
export type ClaimDigest = z.infer<typeof claimDigestSchema>;

/**
 * One ordered change of what a pod's cache holds, with set semantics: `store` puts segments into a tier (the best one
 * that has them), `remove` takes them out of every tier. Stores come parents first: a pod's claims are always closed
 * under prefixes. The others are about all of the pod's claims: `clear` says that its cache is empty, `restate` that all
 * that holds follows, `doubt` that nobody can tell any more which of them hold. `check` changes nothing: it says what the
 * pod's claims sum to in each tier after all that was sent before it.
 */
const claimChangeSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.enum(["clear", "restate", "doubt"]), pod: name, epoch: name }),
  z
    .object({
      kind: z.literal("store"),
      pod: name,
      epoch: name,
      tier: z.enum(["gpu", "host"]),
      segments: segmentHashes,
      tokens: tokenCounts,
    })
    .refine(({ segments, tokens }) => segments.byteLength === 2 * tokens.byteLength, "one token count a segment"),
  z.object({ kind: z.literal("remove"), pod: name, epoch: name, segments: segmentHashes }),
  z.object({ kind: z.literal("check"), pod: name, epoch: name, gpu: claimDigestSchema, host: claimDigestSchema }),
]);
export type ClaimChange = z.infer<typeof claimChangeSchema>;

/** A change that is about all of a pod's claims: what was said of it before is moot. */
export type ClaimReset = Extract<ClaimChange, { kind: "clear" | "restate" | "doubt" }>;

export function isReset(change: ClaimChange): change is ClaimReset {
  return change.kind === "clear" || change.kind === "restate" || change.kind === "doubt";
}

export const pushMessageSchema = z.object({
  schema: z.literal(PUSH_SCHEMA),
  /** Base model of this feed. */
  model: name,
  /** The collector's name: stable over its restarts, unique in its cluster (the node's name, say). */
  source: name,
  /** Random for each start of the collector. */
  instance: z.string().min(8).max(64),
  /** 1, 2, 3, ... per (source, instance, model). */
  sequence: z.number().int().min(1),
  /** Every pod of this source that serves the model. One that is missing is gone. */
  pods: z.array(podReportSchema).max(4096),
  claims: z.array(claimChangeSchema),
  /** The sender answers `check` in replies. */
  checks: z.boolean().optional(),
});
export type PushMessage = z.infer<typeof pushMessageSchema>;

/** The edge's answer to an accepted push. */
export const pushReplySchema = z.object({
  acknowledged: z.number().int(),
  /** Local names of pods whose claims must be sent again in full. */
  resync: z.array(z.string()),
  /** Local names of pods of which the edge wants to know whether it still holds the right claims: a `check` of each. */
  check: z.array(z.string()).optional(),
  /** Least time before the next push, in ms, where the collector has news; without any it pushes more rarely. */
  nextPushMs: z.number().min(0),
});
export type PushReply = z.infer<typeof pushReplySchema>;

import { z } from "zod";
import { blockHashAlgorithms } from "./block-hash.ts";
import { kvEventEncodings } from "./kv-event-encoder.ts";
import { replayLayouts } from "./kv-event-publisher.ts";
import { windowRetentions } from "./sliding-window-group.ts";
import { type EngineProfile, type EngineProfileName, engineProfiles, withPrefillRate } from "./step-time.ts";

const port = z.int().min(0).max(65_535);
const profileNames = Object.keys(engineProfiles) as [EngineProfileName, ...EngineProfileName[]];

/** The kinds of hybrid model. */
export const hybridKinds = ["window"] as const;

/** Settings of one engine, with defaults; the command line has a flag for each. */
export const engineOptionsSchema = z.object({
  name: z.string().min(1).default("engine-0"),
  host: z.string().min(1).default("127.0.0.1"),
  /** 0 lets the system choose. */
  httpPort: port.default(0),
  controlPort: port.default(0),
  eventPort: port.default(0),
  replayPort: port.default(0),
  model: z.string().min(1).default("qwen3-8b"),
  /** Names the model answers to; none means the model's own name. */
  servedNames: z.array(z.string().min(1)).default([]),
  adapters: z.array(z.string().min(1)).default([]),
  profile: z.enum(profileNames).default("llama-3.1-8b-h100"),
  /** Replaces the profile's prefill cost by a flat rate. */
  prefillTokensPerS: z.number().positive().optional(),
  /** KV cache size: the tokens it holds if every layer keeps all of them. */
  kvTokens: z.int().positive().optional(),
  blockTokens: z.int().min(1).max(1024).default(16),
  /** How many times faster than the wall clock simulated time runs. */
  timeScale: z.number().positive().default(1),
  /**
   * `window`: half of the layers, a KV cache group of their own, look back over `windowTokens` only. Steps take as long as
   * if all layers looked back over everything.
   */
  hybrid: z.enum(hybridKinds).optional(),
  windowTokens: z.int().min(1).default(1024),
  /** Without it, that of the version that the event encoding belongs to. */
  windowRetention: z.enum(windowRetentions).optional(),
  maxNumSeqs: z.int().positive().default(256),
  tokenBudget: z.int().positive().default(8192),
  maxModelLen: z.int().min(2).default(40_960),
  kvEvents: z.boolean().default(true),
  eventEncoding: z.enum(kvEventEncodings).default("array"),
  /** Without it, the layout of the version that the event encoding belongs to. */
  replayLayout: z.enum(replayLayouts).optional(),
  eventTopic: z.string().default(""),
  /** Batches kept for replay. */
  bufferSteps: z.int().min(0).default(10_000),
  blockHash: z.enum(blockHashAlgorithms).default("fast"),
  /** Whether POST /v1/chat/completions/render and /v1/completions/render exist, as in vLLM since 2026. */
  renderRoutes: z.boolean().default(true),
  /** Whether GET /tokenizer_info exists: vLLM has it behind --enable-tokenizer-info-endpoint. */
  tokenizerInfo: z.boolean().default(true),
  apiKey: z.string().min(1).optional(),
  seed: z.int().min(0).default(0),
  /** Share of answers with tokens that are not what the tokenizer makes of their text. */
  noncanonicalShare: z.number().min(0).max(1).default(0),
});

/** Settings as given: everything optional. */
export type EngineOptionsInput = z.input<typeof engineOptionsSchema>;

/** Settings with all defaults in place. */
export type EngineOptions = z.output<typeof engineOptionsSchema>;

/** Numbers that follow from the settings. */
export interface EngineDimensions {
  readonly profile: EngineProfile;
  /** Blocks of all cache groups together. A group's share of the layers makes its blocks the smaller. */
  readonly blockCount: number;
  /** The cache size as vLLM tells it: tokens of requests of full context length that run at the same time. */
  readonly cacheSizeTokens: number;
  /** The context length, never more than the cache can hold. */
  readonly maxModelLen: number;
}

/** Derives profile, cache size and context length. */
export function dimensionsOf(options: EngineOptions): EngineDimensions {
  const measured = engineProfiles[options.profile];
  const profile =
    options.prefillTokensPerS === undefined ? measured : withPrefillRate(measured, options.prefillTokensPerS);
  const groupBlocks = Math.max(1, Math.floor((options.kvTokens ?? profile.kvTokens) / options.blockTokens));
  const maxModelLen = Math.min(options.maxModelLen, groupBlocks * options.blockTokens);
  if (options.hybrid === undefined) {
    return { profile, blockCount: groupBlocks, cacheSizeTokens: groupBlocks * options.blockTokens, maxModelLen };
  }
  const blockCount = 2 * groupBlocks;
  const requestBlocks = Math.ceil(maxModelLen / options.blockTokens) + mostWindowBlocks(options, maxModelLen);
  return { profile, blockCount, cacheSizeTokens: Math.floor((blockCount / requestBlocks) * maxModelLen), maxModelLen };
}

/** What a request holds at most in the window group: vLLM's SlidingWindowSpec, the window and one step's tokens. */
function mostWindowBlocks({ windowTokens, tokenBudget, blockTokens }: EngineOptions, maxModelLen: number): number {
  return Math.ceil(Math.min(windowTokens - 1 + tokenBudget, maxModelLen) / blockTokens) + 1;
}

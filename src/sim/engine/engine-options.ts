import { z } from "zod";
import { blockHashAlgorithms } from "./block-hash.ts";
import { kvEventEncodings } from "./kv-event-encoder.ts";
import { replayLayouts } from "./kv-event-publisher.ts";
import { type EngineProfile, type EngineProfileName, engineProfiles, withPrefillRate } from "./step-time.ts";

const port = z.int().min(0).max(65_535);
const profileNames = Object.keys(engineProfiles) as [EngineProfileName, ...EngineProfileName[]];

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
  kvTokens: z.int().positive().optional(),
  blockTokens: z.int().min(1).max(1024).default(16),
  /** How many times faster than the wall clock simulated time runs. */
  timeScale: z.number().positive().default(1),
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
  readonly blockCount: number;
  /** The context length, never more than the cache can hold. */
  readonly maxModelLen: number;
}

/** Derives profile, cache size and context length. */
export function dimensionsOf(options: EngineOptions): EngineDimensions {
  const measured = engineProfiles[options.profile];
  const profile =
    options.prefillTokensPerS === undefined ? measured : withPrefillRate(measured, options.prefillTokensPerS);
  const blockCount = Math.max(1, Math.floor((options.kvTokens ?? profile.kvTokens) / options.blockTokens));
  return { profile, blockCount, maxModelLen: Math.min(options.maxModelLen, blockCount * options.blockTokens) };
}

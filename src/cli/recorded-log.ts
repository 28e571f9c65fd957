import * as z from "zod";
import type { RecordedDecision } from "../routing/recorded-decision.ts";

const figure = z.number().optional();
const text = z.string().optional();
const names = z.array(z.string()).optional();
const windowSchema = z.object({ slotMs: z.number(), times: z.array(z.number()), sums: z.array(z.number()) });

const gaugesSchema = z.object({
  running: figure,
  waiting: figure,
  kvUsage: figure,
  utilization: figure,
  generationTokensPerS: figure,
  runningAdapters: names,
  waitingAdapters: names,
  mostAdapters: figure,
});

/** What a line leaves out is unknown. */
const UNKNOWN_PACE = {
  promptTokensPerS: undefined,
  generationTokensPerS: undefined,
  queueMs: undefined,
  firstTokenMs: undefined,
  decodeMs: undefined,
  promptTokens: undefined,
  generationTokens: undefined,
};
const paceSchema = z
  .object({
    promptTokensPerS: figure,
    generationTokensPerS: figure,
    queueMs: figure,
    firstTokenMs: figure,
    decodeMs: figure,
    promptTokens: figure,
    generationTokens: figure,
  })
  .transform((pace) => ({ ...UNKNOWN_PACE, ...pace }));

const UNKNOWN_OF_POD = {
  capacityTokens: undefined,
  maxModelLen: undefined,
  blockTokens: undefined,
  gauges: undefined,
  pace: undefined,
  firstTokenMs: undefined,
  decodeMs: undefined,
};
const candidateSchema = z
  .object({
    id: z.string(),
    cluster: z.string(),
    hash: z.number(),
    inFlight: z.number(),
    foreign: z.number(),
    awaitingFirstToken: z.number(),
    backlogTokens: z.number(),
    headAgeMs: z.number(),
    headTokens: z.number(),
    promptTokensInFlight: z.number(),
    capacityTokens: figure,
    maxModelLen: figure,
    blockTokens: figure,
    matchedSegments: z.number(),
    matchedTokens: z.number(),
    confirmedSegments: z.number(),
    hostSegments: z.number(),
    requests: z.number(),
    gauges: gaugesSchema.optional(),
    pace: paceSchema.optional(),
    busyShare: z.number(),
    firstTokenMs: figure,
    decodeMs: figure,
    outlook: z
      .object({ backlogMs: z.number(), evictionMs: figure, arrivalsPerMs: z.number(), workPerMs: z.number() })
      .optional(),
  })
  .transform((candidate) => ({ ...UNKNOWN_OF_POD, ...candidate }));

/** A line of a decision log, as `RecordedDecision` describes it. Fields that a newer edge adds are ignored. */
const lineSchema: z.ZodType<RecordedDecision> = z
  .object({
    v: z.literal(1, { error: "is another version of the format than this command reads (1)" }),
    lease: z.string(),
    startedAtMs: z.number(),
    atMs: z.number(),
    retried: z.boolean(),
    policy: z.string(),
    policyParameters: text,
    request: z.object({
      model: z.string(),
      promptTokens: z.number(),
      segments: z.number(),
      choices: z.number(),
      adapter: text,
      session: text,
      user: text,
      opening: text,
      firstSegment: figure,
      origin: text,
      sloTtftMs: figure,
    }),
    promptBytes: z.number(),
    segmentBytes: z.number(),
    hashes: z.array(z.string()).optional(),
    rates: z.object({ prefillTokensPerMs: z.number(), bytesPerToken: z.number() }),
    flow: z
      .object({
        prefill: z.object({ tokenMs: z.number(), pairMs: z.number() }),
        arrivalsPerMs: z.number(),
        workPerMs: figure,
        shared: z.boolean().optional(),
        networkMs: z.array(z.tuple([z.string(), z.number()])),
      })
      .optional(),
    holdsRequests: z.boolean().optional(),
    candidates: z.array(candidateSchema).min(1),
    memory: z.object({
      lastChosen: text,
      session: z.object({ podId: z.string(), atMs: z.number() }).optional(),
      coldPlacements: z.array(z.tuple([z.string(), z.number()])).optional(),
      servedTokens: z.array(z.tuple([z.string(), windowSchema])).optional(),
      podPlacements: z
        .array(z.tuple([z.string(), z.object({ placed: windowSchema, warm: windowSchema, prefillMs: windowSchema })]))
        .optional(),
    }),
    draws: z.array(z.number()),
    chosen: z.number().int().min(0),
    columns: z.array(z.string()),
    terms: z.array(z.array(z.number().nullable())),
    outcome: z
      .object({
        kind: z.enum(["completed", "failed", "client_left", "moved", "fallen"]).optional(),
        ttftMs: figure,
        endedAtMs: figure,
        promptTokens: figure,
        cachedTokens: figure,
        completionTokens: figure,
      })
      .optional(),
  })
  .refine(({ chosen, candidates }) => chosen < candidates.length, { path: ["chosen"], error: "is no candidate" });

/** Reads a decision log. Throws an Error that names the first line that is none of it. */
export function readDecisionLog(log: string): RecordedDecision[] {
  return log.split("\n").flatMap((line, i) => (line.trim() === "" ? [] : [readLine(line, i + 1)]));
}

function readLine(line: string, number: number): RecordedDecision {
  const read = lineSchema.safeParse(parsed(line, number));
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new Error(`line ${number}: ${issue?.path.join(".")}: ${issue?.message}`);
}

function parsed(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new Error(`line ${number}: not JSON`);
  }
}

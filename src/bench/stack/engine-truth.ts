import { z } from "zod";
import type { Bucket } from "../report/histogram.ts";
import type { EngineAddress } from "./engines.ts";

const stateSchema = z.object({
  inFlight: z.number(),
  aborted: z.number(),
  finished: z.number(),
  promptTokens: z.number(),
  cachedTokens: z.number(),
});

/** What an engine itself counted since it started. */
export type EngineTruth = z.infer<typeof stateSchema> & {
  readonly name: string;
  /** Requests with a first token, and their summed time to it from their arrival at the engine, in wall ms. */
  readonly firstTokens: number;
  readonly ttftSumMs: number;
  /** The same as a histogram, bounds in wall ms. */
  readonly ttftBuckets: readonly Bucket[];
};

const TTFT = "vllm:time_to_first_token_seconds";

/** Asks every engine. */
export function readEngines(engines: readonly EngineAddress[]): Promise<EngineTruth[]> {
  return Promise.all(engines.map(readEngine));
}

async function readEngine({ name, url, control }: EngineAddress): Promise<EngineTruth> {
  const [state, metrics] = await Promise.all([
    fetch(`${control}/sim/state`).then((answer) => answer.json()),
    fetch(`${url}/metrics`).then((answer) => answer.text()),
  ]);
  return {
    ...stateSchema.parse(state),
    name,
    firstTokens: sample(metrics, `${TTFT}_count`),
    ttftSumMs: 1000 * sample(metrics, `${TTFT}_sum`),
    ttftBuckets: buckets(metrics, TTFT),
  };
}

/** A histogram in seconds, its bounds as ms. */
function buckets(exposition: string, histogram: string): Bucket[] {
  const pattern = new RegExp(`^${histogram}_bucket\\{[^}]*le="([^"]+)"[^}]*\\} (\\S+)$`, "gm");
  return Array.from(exposition.matchAll(pattern), ([, bound, count]) => ({
    upTo: bound === "+Inf" ? Number.POSITIVE_INFINITY : 1000 * Number(bound),
    count: Number(count),
  }));
}

/** The value of a series that the engine has once; 0 before it has any. */
function sample(exposition: string, series: string): number {
  const line = exposition.split("\n").find((text) => text.startsWith(`${series}{`) || text.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(" ") + 1));
}

import { setTimeout as delay } from "node:timers/promises";
import type { EngineStandIn } from "./engine-stand-in.ts";
import { BLOCK_TOKENS, type Publication } from "./played-engine.ts";

const LOOK_EVERY_MS = 10;
const TICK_MS = 20;

/**
 * Publishes as fast as it is taken: never more than `window` blocks ahead of what the collector says it has taken of
 * this pod, so that what waits in sockets stays small.
 */
export async function publishAhead(
  engine: EngineStandIn,
  publications: readonly Publication[],
  window: number,
  takenBlocks: () => number,
  signal: AbortSignal,
): Promise<void> {
  const takenBefore = takenBlocks();
  let published = 0;
  for (const publication of publications) {
    while (published - (takenBlocks() - takenBefore) > window) await delay(LOOK_EVERY_MS, undefined, { signal });
    await engine.publish(publication);
    published += publication.storedBlocks;
  }
}

/** Publishes as an engine does that computes so many tokens a second. */
export async function publishPaced(
  engine: EngineStandIn,
  publications: readonly Publication[],
  tokensPerS: number,
  signal: AbortSignal,
): Promise<void> {
  const startMs = performance.now();
  let tokens = 0;
  for (const publication of publications) {
    while (tokens > (tokensPerS * (performance.now() - startMs)) / 1000) await delay(TICK_MS, undefined, { signal });
    await engine.publish(publication);
    tokens += BLOCK_TOKENS * publication.storedBlocks;
  }
}

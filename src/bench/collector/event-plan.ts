import { setImmediate as turn } from "node:timers/promises";
import type { ConversationTokens } from "./conversation-tokens.ts";
import { PlayedEngine, type Publication } from "./played-engine.ts";

/** What one pod publishes, made beforehand. */
export type PodEvents = {
  /** Until its cache is full. */
  readonly fill: readonly Publication[];
  /** Then as fast as it is taken, each new block in the place of another. */
  readonly steady: readonly Publication[];
  /** Then at a pod's own pace. */
  readonly paced: readonly Publication[];
  /** Distinct blocks in its cache after all that. */
  readonly cachedBlocks: number;
};

export type EventPlanOptions = {
  readonly conversations: readonly ConversationTokens[];
  readonly pods: number;
  readonly blocksPerPod: number;
  readonly steadyBlocks: number;
  readonly pacedBlocks: number;
  readonly seed: number;
  readonly signal: AbortSignal;
};

/** Plays each pod's engine. */
export async function planEvents(options: EventPlanOptions): Promise<PodEvents[]> {
  const { conversations, pods, blocksPerPod: blocks, steadyBlocks, pacedBlocks, seed, signal } = options;
  const plans: PodEvents[] = [];
  for (let pod = 0; pod < pods; pod++) {
    // Signals are heard between two pods.
    await turn(undefined, { signal });
    const engine = new PlayedEngine({ conversations, blocks, seed: 1000 * seed + pod });
    plans.push({
      fill: published(engine, () => engine.isFull),
      steady: published(engine, (stored) => stored >= steadyBlocks),
      paced: published(engine, (stored) => stored >= pacedBlocks),
      cachedBlocks: engine.cachedBlocks,
    });
  }
  return plans;
}

/** Blocks in the stores of publications. */
export function storedBlocks(publications: readonly Publication[]): number {
  return publications.reduce((sum, { storedBlocks: blocks }) => sum + blocks, 0);
}

/** Bytes of payloads. */
export function payloadBytes(publications: readonly Publication[]): number {
  return publications.reduce((sum, { payload }) => sum + payload.byteLength, 0);
}

function published(engine: PlayedEngine, isEnough: (storedBlocks: number) => boolean): Publication[] {
  const publications: Publication[] = [];
  for (let stored = 0; !isEnough(stored); ) {
    const publication = engine.next();
    publications.push(publication);
    stored += publication.storedBlocks;
  }
  return publications;
}

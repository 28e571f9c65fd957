/** A request inside a simulated engine. The engine changes it as it goes. */
export type EngineRequest = {
  /** The simulation's number of it. */
  readonly index: number;
  /** Ids of the prompt's full blocks. */
  blocks: Uint32Array;
  /** Ids of the prompt that takes this one's answer along; needed only where answers are reusable. */
  readonly continuation: Uint32Array | undefined;
  readonly promptTokens: number;
  readonly outputTokens: number;
  admitted: boolean;
  /** Slots of the resident blocks it holds: a prefix of `blocks`. */
  readonly slots: number[];
  /** Blocks reserved and not yet computed in full. */
  anonymousBlocks: number;
  /** What has to be computed before the next token: the prompt and, after a preemption, the answer so far. */
  targetTokens: number;
  computedTokens: number;
  /** Taken from the cache at the last admission. */
  hitTokens: number;
  /** Of the step under way. */
  chunkTokens: number;
  emittedTokens: number;
};

/** A request as it arrives at an engine. */
export function arrivingRequest(
  index: number,
  prompt: { readonly blocks: Uint32Array; readonly promptTokens: number; readonly outputTokens: number },
  continuation: Uint32Array | undefined,
): EngineRequest {
  return {
    index,
    blocks: prompt.blocks,
    continuation,
    promptTokens: prompt.promptTokens,
    outputTokens: Math.max(1, prompt.outputTokens),
    admitted: false,
    slots: [],
    anonymousBlocks: 0,
    targetTokens: prompt.promptTokens,
    computedTokens: 0,
    hitTokens: 0,
    chunkTokens: 0,
    emittedTokens: 0,
  };
}

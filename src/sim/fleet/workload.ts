/** One request of a workload. Its prompt is known by lengths and by ids of runs of tokens only. */
export type FleetCall = {
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** What the client waits after the answer before this call, in ms. Closed loop only. */
  readonly thinkMs: number;
  /**
   * Ids of the prompt's full units of `unitTokens` tokens, in runs: start and count in turn. Prefix-chained: one id
   * always has the same predecessor.
   */
  readonly runs: Uint32Array;
  /** The conversation it belongs to, as its client would name it. */
  readonly session: number;
  /** How the conversation begins, where that is known as text. */
  readonly opening?: string | undefined;
  /** The call whose prompt takes this one's answer along, where the trace tells. */
  readonly next: FleetCall | undefined;
};

/** A call and when it is made, in ms from the start. */
export type FleetArrival = { readonly atMs: number; readonly call: FleetCall; readonly copy: number };

/** Requests to be simulated, the same for every policy. */
export type Workload = {
  /** Tokens of one unit of `FleetCall.runs`. */
  readonly unitTokens: number;
  /** Unit ids are below this: copies of a workload are told apart by multiples of it. */
  readonly idSpace: number;
} & (
  | {
      /** Calls come at their times, whatever becomes of those before. */
      readonly kind: "open";
      readonly arrivals: readonly FleetArrival[];
    }
  | {
      /** `concurrent` sessions at a time, each one call after another; a session that ends makes room for the next. */
      readonly kind: "closed";
      readonly sessions: readonly (readonly FleetCall[])[];
      readonly concurrent: number;
      /** No call is made after this. */
      readonly horizonMs: number;
      /** Each session is played once, all of them from the start; otherwise they come round again, as those of others. */
      readonly once?: boolean;
    }
);

/**
 * Ids of a prompt's full blocks of `blockTokens` tokens. `blockTokens` and the unit divide one another; `copy` shifts
 * the ids, so that copies share nothing.
 */
export function blockIds(call: FleetCall, workload: Workload, blockTokens: number, copy: number): Uint32Array {
  const { unitTokens, idSpace } = workload;
  const { runs } = call;
  let units = 0;
  for (let i = 1; i < runs.length; i += 2) units += runs[i] as number;
  const shift = copy * idSpace;
  if (blockTokens >= unitTokens) {
    const unitsPerBlock = blockTokens / unitTokens;
    const ids = new Uint32Array(Math.floor(units / unitsPerBlock));
    let unit = 0;
    for (let i = 0; i < runs.length; i += 2) {
      const start = (runs[i] as number) + shift;
      const count = runs[i + 1] as number;
      // A block is named by its last unit.
      for (let j = unitsPerBlock - 1 - (unit % unitsPerBlock); j < count; j += unitsPerBlock) {
        ids[(unit + j + 1) / unitsPerBlock - 1] = start + j;
      }
      unit += count;
    }
    return ids;
  }
  const blocksPerUnit = unitTokens / blockTokens;
  const ids = new Uint32Array(units * blocksPerUnit);
  let at = 0;
  for (let i = 0; i < runs.length; i += 2) {
    const start = ((runs[i] as number) + shift) * blocksPerUnit;
    const count = (runs[i + 1] as number) * blocksPerUnit;
    for (let j = 0; j < count; j++) ids[at++] = start + j;
  }
  return ids;
}

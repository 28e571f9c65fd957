import { rounded } from "../report/percentiles.ts";
import type { CollectorCounts } from "./measured-collector.ts";
import { BLOCK_TOKENS } from "./played-engine.ts";

/** What a part of the events took. */
export type Spell = {
  /** Blocks stored. */
  readonly blocks: number;
  readonly messages: number;
  /** Bytes of the engines' payloads. */
  readonly rawBytes: number;
  /** Bytes of push bodies. */
  readonly uplinkBytes: number;
  readonly wallS: number;
  /** Of all threads of the collector's process. */
  readonly cpuS: number;
  readonly rssMb: number;
  /** Blocks that a model wrote. */
  readonly checkable: number;
  /** Of these, encoded again and compared. */
  readonly checked: number;
};

/** The row of the collector bench; units in the names. */
export type CollectorRow = {
  readonly pods: number;
  readonly blocksPerPod: number;
  /** Blocks in the tables of all pods at the end, removed ones that are kept for a while included. */
  readonly tableBlocks: number;
  /** Blocks taken while others are evicted, by second of the whole process's computing time. */
  readonly blocksPerS: number;
  /** The same while the tables fill. */
  readonly fillBlocksPerS: number;
  /** The same by second of the clock, in the steady spell. */
  readonly wallBlocksPerS: number;
  readonly blocksPerMessage: number;
  /** The most that the process ever had. */
  readonly rssMb: number;
  /** Before the first event, the tokenizer loaded. */
  readonly startRssMb: number;
  /** What the collector says its tables take. */
  readonly tableMb: number;
  readonly uplinkBytesPerToken: number;
  readonly rawEventBytesPerToken: number;
  /** Of the blocks that models wrote, those that were encoded again, at the paced rate. */
  readonly recheckedShare: number;
  /** The same as fast as events are taken. */
  readonly floodRecheckedShare: number;
  readonly pacedTokensPerS: number;
  /** Of one core, at the paced rate. */
  readonly pacedCoreShare: number;
};

/** Makes the row. `paced` stands for what is normal: bytes and checks are taken from it. */
export function collectorRow(run: {
  readonly pods: number;
  readonly blocksPerPod: number;
  readonly pacedTokensPerS: number;
  readonly startRssMb: number;
  readonly peakRssMb: number;
  readonly counts: CollectorCounts;
  readonly fill: Spell;
  readonly steady: Spell;
  readonly paced: Spell;
}): CollectorRow {
  const { fill, steady, paced, counts } = run;
  return {
    pods: run.pods,
    blocksPerPod: run.blocksPerPod,
    tableBlocks: counts.tableBlocks,
    blocksPerS: Math.round(steady.blocks / steady.cpuS),
    fillBlocksPerS: Math.round(fill.blocks / fill.cpuS),
    wallBlocksPerS: Math.round(steady.blocks / steady.wallS),
    blocksPerMessage: rounded(steady.blocks / steady.messages),
    rssMb: rounded(run.peakRssMb),
    startRssMb: rounded(run.startRssMb),
    tableMb: rounded(counts.tableBytes / 2 ** 20),
    uplinkBytesPerToken: rounded(paced.uplinkBytes / (BLOCK_TOKENS * paced.blocks)),
    rawEventBytesPerToken: rounded(paced.rawBytes / (BLOCK_TOKENS * paced.blocks)),
    recheckedShare: rounded(share(paced.checked, paced.checkable)),
    floodRecheckedShare: rounded(share(steady.checked, steady.checkable)),
    pacedTokensPerS: run.pacedTokensPerS,
    pacedCoreShare: rounded(paced.cpuS / paced.wallS),
  };
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

import type { QueueRefusal } from "./queued-request.ts";
import type { WaitingRoom } from "./waiting-room.ts";

/** What became of all that were offered since the start. */
export type QueueCounts = {
  readonly accepted: number;
  readonly placed: number;
  readonly removed: number;
  readonly expired: number;
  readonly refused: { readonly [reason in QueueRefusal]: number };
};

/** The queue as metrics and the admin API show it. */
export type QueueView = QueueCounts & {
  readonly waiting: number;
  readonly promptTokens: number;
  /** Weighted tokens, as fairness counts them. */
  readonly workTokens: number;
  /** The measured pace in weighted tokens. */
  readonly tokensPerMs: number;
  /** Times given out to refused clients that have not come back yet. */
  readonly promises: number;
  /** The highest priority first. */
  readonly priorities: readonly {
    readonly priority: number;
    readonly waiting: number;
    readonly keys: number;
    readonly oldestMs: number;
  }[];
};

/** Makes the view. */
export function queueView<Payload>(
  room: WaitingRoom<Payload>,
  counts: QueueCounts,
  { nowMs, ...measured }: { readonly tokensPerMs: number; readonly promises: number; readonly nowMs: number },
): QueueView {
  return {
    ...counts,
    refused: { ...counts.refused },
    ...measured,
    waiting: room.size,
    promptTokens: room.promptTokens,
    workTokens: room.bands.reduce((sum, { workTokens }) => sum + workTokens, 0),
    priorities: room.bands.map(({ priority, size, flows, oldest }) => ({
      priority,
      waiting: size,
      keys: flows.length,
      oldestMs: nowMs - (oldest?.request.enqueuedAtMs ?? nowMs),
    })),
  };
}

import type { Logger } from "pino";
import type { KvEventCounts } from "../../protocol/push-message.ts";
import type { CollectorMetrics } from "../collector-metrics.ts";
import { decodeKvEventBatch } from "./decode.ts";
import type { KvEventBatch } from "./event.ts";
import { EventCounts } from "./event-counts.ts";
import { EventSequence, type Numbered, type SequenceAction, type StreamPosition } from "./event-sequence.ts";
import { type KvEventFrames, parseLiveFrames } from "./frames.ts";
import { requestReplay } from "./replay.ts";
import { EventSubscription } from "./subscriber.ts";

/**
 * Why what was learned from a pod's earlier events no longer holds. `missing_history`: there was nothing before, but the
 * stream does not begin at its start. `resume_refused`: what an earlier start learned cannot be gone on from.
 */
export type LostTrack = "restart" | "unfilled_gap" | "undecodable_batch" | "missing_history" | "resume_refused";

export type FollowerOptions = {
  readonly endpoint: string;
  readonly replayEndpoint: string | undefined;
  readonly topic: string;
  readonly replaySilenceTimeoutMs: number;
  readonly replayTotalTimeoutMs: number;
  /** The last message that an earlier start took. */
  readonly resumeFrom?: StreamPosition | undefined;
  /** Every decoded batch once, in the order of publication. */
  readonly onBatch: (batch: KvEventBatch, position: StreamPosition) => void;
  /** All that the publisher had when it was asked is delivered or reported lost. */
  readonly onCaughtUp: () => void;
  /** Called between the batches before the break and those after it. */
  readonly onLostTrack: (cause: LostTrack) => void;
  readonly metrics: CollectorMetrics;
  readonly log: Logger;
};

/** A payload that could not be decoded takes its number's place in the sequence all the same. */
type Received = KvEventBatch | "malformed";

/** Follows one publisher: subscribes, decodes, orders, replays what is missing, and counts. */
export class KvEventFollower {
  readonly #options: FollowerOptions;
  readonly #sequence: EventSequence<Received>;
  readonly #counts = new EventCounts();
  readonly #subscription: EventSubscription;
  #replay: AbortController | undefined;
  #closed = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#sequence = new EventSequence({
      canReplay: options.replayEndpoint !== undefined,
      resumeFrom: options.resumeFrom,
    });
    this.#subscription = new EventSubscription({
      endpoint: options.endpoint,
      topic: options.topic,
      onSubscribed: () => this.#perform(this.#sequence.start()),
      onMessage: (frames) => this.#receive(frames),
      onError: (error) => options.log.warn({ err: error, endpoint: options.endpoint }, "KV-event socket failed"),
    });
  }

  /** Counts since the epoch began. */
  get counts(): KvEventCounts {
    return this.#counts.snapshot;
  }

  /** The engine restarted, as seen elsewhere: a new epoch begins, its events are fetched from the first one on. */
  reset(): void {
    this.#counts.reset();
    this.#perform(this.#sequence.reset());
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#replay?.abort();
    await this.#subscription.close();
  }

  #receive(frames: Buffer[]): void {
    if (this.#closed) return;
    const parsed = parseLiveFrames(frames);
    if (parsed === undefined) {
      this.#options.metrics.decodeErrors.inc({ reason: "not_three_frames" });
      this.#counts.malformed();
      return;
    }
    this.#perform(this.#sequence.live(this.#decode(parsed)));
  }

  #decode(frames: KvEventFrames): Numbered<Received> {
    const { sequence } = frames;
    const decoded = decodeKvEventBatch(frames.payload);
    if (decoded.ok) return { sequence, timeS: decoded.batch.timeS, batch: decoded.batch };
    const { reason, message } = decoded.error;
    this.#options.metrics.decodeErrors.inc({ reason });
    this.#options.log.warn({ reason, detail: message, sequence }, "KV-event batch could not be decoded");
    // Never newer than anything: a batch that cannot be read is no proof of a restart.
    return { sequence, timeS: Number.NEGATIVE_INFINITY, batch: "malformed" };
  }

  #perform(actions: readonly SequenceAction<Received>[]): void {
    const { log, metrics } = this.#options;
    for (const action of actions) {
      switch (action.kind) {
        case "deliver":
          this.#deliver(action.message.batch, action.message);
          break;
        case "request_replay":
          void this.#runReplay(action.fromSequence);
          break;
        case "cancel_replay":
          this.#replay?.abort();
          break;
        case "restart":
          log.info("KV-event sequence began anew: the engine restarted");
          this.#counts.reset();
          this.#options.onLostTrack("restart");
          break;
        case "resume_refused":
          log.info("KV events cannot be gone on from where an earlier start stopped");
          this.#options.onLostTrack("resume_refused");
          break;
        case "gap":
          metrics.gaps.inc();
          this.#counts.gap();
          break;
        case "unfilled_gap":
          log.warn({ from: action.fromSequence, to: action.toSequence }, "KV events lost");
          metrics.unfilledGaps.inc();
          this.#counts.unfilledGap();
          this.#options.onLostTrack(action.afterDelivery ? "unfilled_gap" : "missing_history");
          break;
        case "dropped":
          metrics.droppedBatches.inc();
          break;
      }
    }
  }

  #deliver(received: Received, position: StreamPosition): void {
    if (received === "malformed") {
      this.#counts.malformed();
      this.#options.onLostTrack("undecodable_batch");
      return;
    }
    const { metrics } = this.#options;
    this.#counts.batch(received);
    metrics.batches.inc();
    const byKind = { block_stored: 0, block_removed: 0, all_blocks_cleared: 0 };
    for (const event of received.events) byKind[event.kind]++;
    this.#options.onBatch(received, position);
    for (const [kind, events] of Object.entries(byKind)) {
      if (events > 0) metrics.events.inc({ kind }, events);
    }
    for (const { tag, reason } of received.skipped) {
      metrics.decodeErrors.inc({ reason });
      // A removal that cannot be read leaves a block claimed that is gone.
      if (tag === "BlockRemoved") this.#options.onLostTrack("undecodable_batch");
    }
  }

  async #runReplay(fromSequence: number): Promise<void> {
    const { replayEndpoint, log, metrics } = this.#options;
    if (replayEndpoint === undefined || this.#closed) return;
    const replay = new AbortController();
    this.#replay = replay;
    const outcome = await requestReplay({
      endpoint: replayEndpoint,
      fromSequence,
      silenceTimeoutMs: this.#options.replaySilenceTimeoutMs,
      totalTimeoutMs: this.#options.replayTotalTimeoutMs,
      signal: replay.signal,
      onBatch: (frames) => {
        if (!replay.signal.aborted) this.#perform(this.#sequence.replayed(this.#decode(frames)));
      },
      onUnreadable: () => metrics.decodeErrors.inc({ reason: "replay_reply" }),
    });
    metrics.replays.inc({ outcome });
    if (outcome !== "complete" && outcome !== "cancelled")
      log.warn({ outcome, fromSequence }, "KV-event replay failed");
    if (replay.signal.aborted) return;
    this.#perform(this.#sequence.replayEnded());
    // Had the end of this replay begun another one, it would stand here.
    if (outcome === "complete" && this.#replay === replay) this.#options.onCaughtUp();
  }
}

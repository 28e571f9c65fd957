import type { Logger } from "pino";
import {
  type ClaimChange,
  isReset,
  type PodReport,
  PUSH_SCHEMA,
  type PushMessage,
} from "../../protocol/push-message.ts";
import type { CollectorMetrics } from "../collector-metrics.ts";
import { ClaimSpool } from "./claim-spool.ts";
import { FeedOutbox } from "./feed-outbox.ts";
import type { PushOutcome } from "./send-push.ts";

export type FeedTiming = {
  /** Time between pushes while there is no news. */
  readonly pushEveryMs: number;
  /** What changes together goes up together. */
  readonly debounceMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
};

export type FeedOptions = {
  readonly model: string;
  readonly source: string;
  readonly instance: string;
  readonly timing: FeedTiming;
  readonly spoolBytes: number;
  /** Claims in one message, at most. */
  readonly messageClaimBytes: number;
  readonly post: (message: PushMessage) => Promise<PushOutcome>;
  /** The pods that serve the model, as they are now. */
  readonly reports: () => PodReport[];
  /** All claims of the pod are to be sent again. */
  readonly onResync: (podName: string) => void;
  /** The edge wants to know what the pod's claims sum to. */
  readonly onCheck: (podName: string) => void;
  /** A message is about to be filled: adds claims that wait elsewhere, about so many bytes. True if more are to come. */
  readonly gather: (roomBytes: number) => boolean;
  /** The edge knows that the last pod is gone. */
  readonly onEmpty: () => void;
  readonly random: () => number;
  readonly metrics: CollectorMetrics;
  readonly log: Logger;
};

const REFUSAL_LOG_EVERY_MS = 60_000;

/** The edge will refuse these contents every time. */
const CONTENT_REFUSED: ReadonlySet<number> = new Set([400, 413, 415, 422]);

/** The ordered pushes for one model: one at a time, at once when something changed, else at the edge's pace. */
export class Feed {
  readonly #options: FeedOptions;
  readonly #log: Logger;
  readonly #spool: ClaimSpool;
  readonly #outbox: FeedOutbox;
  #timer: NodeJS.Timeout | undefined;
  #dueAtMs = Number.POSITIVE_INFINITY;
  #pushing = false;
  #urgent = false;
  #failures = 0;
  #replays = 0;
  /** Least time between pushes with news, as the edge last said. */
  #spacingMs: number;
  #lastPushAtMs = Number.NEGATIVE_INFINITY;
  #hasNews = false;
  #refusalLoggedAtMs = Number.NEGATIVE_INFINITY;
  #moreToGather = false;
  #closed = false;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#log = options.log.child({ model: options.model });
    this.#spool = new ClaimSpool(options.spoolBytes);
    this.#outbox = new FeedOutbox(this.#spool, options.messageClaimBytes);
    this.#spacingMs = options.timing.debounceMs;
    this.pushSoon();
  }

  /** Something the edge routes by has changed. While the edge does not answer, its retry carries the change. */
  pushSoon(): void {
    this.#urgent = true;
    if (this.#failures === 0) this.#schedule(this.#options.timing.debounceMs);
  }

  /** Claims wait to be gathered: they go up as soon as the edge lets them. */
  claimsWait(): void {
    this.#hasNews = true;
    if (this.#failures === 0) this.#schedule(this.#newsDelayMs());
  }

  /** Queues a claim. A reset goes up at once, everything else with the next push. */
  addClaim(change: ClaimChange): void {
    const overflowsBefore = this.#spool.overflows;
    this.#spool.add(change);
    const overflows = this.#spool.overflows - overflowsBefore;
    if (overflows > 0) this.#options.metrics.spoolOverflows.inc(overflows);
    if (isReset(change) || overflows > 0) this.pushSoon();
  }

  /** The pod no longer belongs to this feed. */
  dropPod(podName: string): void {
    this.#spool.drop(podName);
    this.pushSoon();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #schedule(delayMs: number): void {
    if (this.#closed || this.#pushing) return;
    const dueAtMs = performance.now() + delayMs;
    if (this.#timer !== undefined && this.#dueAtMs <= dueAtMs) return;
    clearTimeout(this.#timer);
    this.#dueAtMs = dueAtMs;
    this.#timer = setTimeout(() => void this.#push(), delayMs);
  }

  async #push(): Promise<void> {
    const { metrics, model, source, instance, reports, post } = this.#options;
    this.#timer = undefined;
    this.#pushing = true;
    this.#urgent = false;
    this.#hasNews = false;
    this.#lastPushAtMs = performance.now();
    const pods = reports();
    const stopTimer = metrics.pushDurationSeconds.startTimer();
    const about = { schema: PUSH_SCHEMA, model, source, instance, pods, checks: true } as const;
    const outcome = await post({ ...about, ...this.#nextSealed() });
    stopTimer();
    this.#pushing = false;
    if (this.#closed) return;
    metrics.pushes.inc({ outcome: outcome.kind });
    this.#settle(outcome, pods.length === 0);
    this.#schedule(this.#delayMs());
  }

  #nextSealed(): { sequence: number; claims: ClaimChange[] } {
    const { gather, messageClaimBytes } = this.#options;
    // What is sealed stays as it is; nothing new fits into it.
    if (!this.#outbox.isSealed) this.#moreToGather = gather(Math.max(0, messageClaimBytes - this.#spool.bytes));
    const { sequence, claims } = this.#outbox.next();
    return { sequence, claims: [...claims] };
  }

  #settle(outcome: PushOutcome, wasEmpty: boolean): void {
    switch (outcome.kind) {
      case "acknowledged":
        this.#replays = 0;
        this.#spacingMs = Math.max(this.#options.timing.debounceMs, outcome.reply.nextPushMs);
        this.#arrived(outcome.reply.resync);
        for (const pod of outcome.reply.check ?? []) this.#options.onCheck(pod);
        if (wasEmpty) this.#options.onEmpty();
        return;
      case "replayed":
        this.#replayed();
        return;
      case "refused":
        this.#failures++;
        this.#logRefusal(outcome.status, outcome.reason);
        if (CONTENT_REFUSED.has(outcome.status)) this.#outbox.unacceptable();
        return;
      case "unreachable":
        if (this.#failures === 0) this.#log.warn({ reason: outcome.reason }, "the edge does not take pushes");
        this.#failures++;
        return;
    }
  }

  #arrived(resync: readonly string[]): void {
    if (this.#failures > 0) this.#log.info({ failures: this.#failures }, "the edge takes pushes again");
    this.#failures = 0;
    for (const pod of new Set([...this.#outbox.acknowledged(), ...resync])) this.#options.onResync(pod);
  }

  /**
   * The claims are there, but the pods that arrived with them are those of the first attempt: send them anew. Twice in a
   * row it is no lost reply: the edge listens to a later start of a collector with this name.
   */
  #replayed(): void {
    this.#replays++;
    this.#arrived([]);
    this.#urgent = true;
    if (this.#replays < 2) return;
    this.#failures = this.#replays;
    this.#logRefusal(409, "push_replayed: does another collector push as this source?");
  }

  #delayMs(): number {
    const { backoffMaxMs, backoffMinMs, debounceMs, pushEveryMs } = this.#options.timing;
    if (this.#failures > 0) {
      const ceiling = Math.min(backoffMaxMs, backoffMinMs * 2 ** (this.#failures - 1));
      return ceiling * (0.5 + 0.5 * this.#options.random());
    }
    if (this.#urgent || this.#moreToGather || !this.#spool.isEmpty) return debounceMs;
    return this.#hasNews ? this.#newsDelayMs() : Math.max(pushEveryMs, this.#spacingMs);
  }

  #newsDelayMs(): number {
    const { debounceMs } = this.#options.timing;
    return Math.max(debounceMs, this.#lastPushAtMs + this.#spacingMs - performance.now());
  }

  #logRefusal(status: number, reason: string): void {
    const nowMs = performance.now();
    if (nowMs - this.#refusalLoggedAtMs < REFUSAL_LOG_EVERY_MS) return;
    this.#refusalLoggedAtMs = nowMs;
    this.#log.error({ status, reason }, "the edge refuses pushes");
  }
}

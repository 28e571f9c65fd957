/** A place in one publisher's stream: the number and the time of a message. */
export type StreamPosition = { readonly sequence: number; readonly timeS: number | undefined };

/** A publication with its number and its engine's clock, as far as that could be read. */
export type Numbered<Batch> = {
  readonly sequence: number;
  /** Unix seconds. Tells a late message (not newer than what was seen) from a restarted engine's. */
  readonly timeS: number | undefined;
  readonly batch: Batch;
};

/** What the shell must do, in this order. Ranges include both ends. */
export type SequenceAction<Batch> =
  | { readonly kind: "deliver"; readonly message: Numbered<Batch> }
  /** Fetch what was published from this number on, then call `replayed` per reply and `replayEnded` once. */
  | { readonly kind: "request_replay"; readonly fromSequence: number }
  /** Stop the running replay; its replies are of no use any more. */
  | { readonly kind: "cancel_replay" }
  /** The publisher began anew: everything delivered so far is void. */
  | { readonly kind: "restart" }
  /** The position to resume from could not be found in the publisher's stream: what was learned up to it is void. */
  | { readonly kind: "resume_refused" }
  | { readonly kind: "gap"; readonly fromSequence: number; readonly toSequence: number }
  /** These are lost for good. `afterDelivery`: something before them was delivered, and may be outdated by them. */
  | {
      readonly kind: "unfilled_gap";
      readonly fromSequence: number;
      readonly toSequence: number;
      readonly afterDelivery: boolean;
    }
  /** Late or doubled: dropped. */
  | { readonly kind: "dropped"; readonly sequence: number };

type RunningReplay = {
  /** Missing numbers up to here had their try when this replay ends. */
  readonly throughSequence: number;
  /** A gap was reported for it that has not been reported unfilled. */
  gapReported: boolean;
};

/** Live messages held while a replay runs, at most: beyond it the replay is given up rather than memory. */
const MAX_HELD = 20_000;

/**
 * Puts one publisher's messages in order. Numbers start at 0 (1 with llm-d's simulator) and grow by one; ZMQ may lose
 * messages, never doubles or reorders them on one connection, but both are tolerated. A missing range is asked for once;
 * live messages wait meanwhile. Every message is delivered at most once between two restarts, in ascending order.
 *
 * Pure: replays are requested by the returned actions and reported back.
 */
export class EventSequence<Batch> {
  readonly #canReplay: boolean;
  readonly #maxHeld: number;
  #next = 0;
  #lastDelivered: { readonly sequence: number; readonly timeS: number | undefined } | undefined;
  #lastLiveSequence = -1;
  #newestSequence = -1;
  #newestTimeS: number | undefined;
  #replay: RunningReplay | undefined;
  /** Resumed, and the publisher has not shown yet that it knows what came before. */
  #resumeUnproven = false;
  readonly #held = new Map<number, Numbered<Batch>>();

  /** `resumeFrom`: the last message that an earlier start took. It counts only if a replay goes on from there. */
  constructor(options: {
    readonly canReplay: boolean;
    readonly maxHeld?: number;
    readonly resumeFrom?: StreamPosition | undefined;
  }) {
    this.#canReplay = options.canReplay;
    this.#maxHeld = options.maxHeld ?? MAX_HELD;
    const { resumeFrom } = options;
    if (resumeFrom === undefined) return;
    this.#resumeUnproven = true;
    this.#next = resumeFrom.sequence + 1;
    this.#lastDelivered = resumeFrom;
    this.#newestSequence = resumeFrom.sequence;
    this.#newestTimeS = resumeFrom.timeS;
  }

  /** Call once connected. What was published before is fetched. */
  start(): SequenceAction<Batch>[] {
    if (this.#canReplay) return [this.#requestReplay(this.#next - 1, false)];
    return this.#resumeUnproven ? this.#refuseResume() : [];
  }

  /** The engine is known to have restarted by other means: forget everything and fetch what the new one published. */
  reset(): SequenceAction<Batch>[] {
    return [...this.#forget(), ...this.start()];
  }

  /** Takes a message from the live stream. */
  live(message: Numbered<Batch>): SequenceAction<Batch>[] {
    const actions: SequenceAction<Batch>[] = [];
    if (this.#isFromRestarted(message)) {
      actions.push(...this.#forget(), { kind: "restart" });
    }
    this.#lastLiveSequence = message.sequence;
    this.#noteNewest(message);
    if (message.sequence < this.#next) return [...actions, { kind: "dropped", sequence: message.sequence }];
    if (this.#replay === undefined) return [...actions, ...this.#take(message)];
    this.#held.set(message.sequence, message);
    return this.#held.size > this.#maxHeld ? [...actions, { kind: "cancel_replay" }, ...this.replayEnded()] : actions;
  }

  /** Takes one reply of the running replay. */
  replayed(message: Numbered<Batch>): SequenceAction<Batch>[] {
    const replay = this.#replay;
    if (replay === undefined) return [];
    if (this.#isOverlapOfAnotherProcess(message)) return this.#beginAnew("restart");
    if (this.#resumeUnproven && message.sequence > this.#next) return this.#refuseResume();
    this.#resumeUnproven = false;
    if (message.sequence < this.#next) return [];
    this.#noteNewest(message);
    const actions = this.#giveUpBefore(message.sequence, replay);
    this.#held.delete(message.sequence);
    actions.push(this.#deliver(message));
    return actions;
  }

  /** The running replay is over: complete, timed out or failed. Held messages go on from here. */
  replayEnded(): SequenceAction<Batch>[] {
    const replay = this.#replay;
    if (replay === undefined) return [];
    if (this.#resumeUnproven) return this.#refuseResume();
    this.#replay = undefined;
    const actions = this.#giveUpBefore(replay.throughSequence + 1, replay);
    for (const message of this.#heldInOrder()) {
      if (this.#replay !== undefined) break;
      this.#held.delete(message.sequence);
      actions.push(...this.#take(message));
    }
    return actions;
  }

  /** Takes a message at or past `#next` while no replay runs. */
  #take(message: Numbered<Batch>): SequenceAction<Batch>[] {
    if (this.#continues(message.sequence)) return [this.#deliver(message)];
    const gap = { fromSequence: this.#next, toSequence: message.sequence - 1 };
    if (this.#canReplay) {
      this.#held.set(message.sequence, message);
      return [{ kind: "gap", ...gap }, this.#requestReplay(message.sequence - 1, true)];
    }
    return [{ kind: "gap", ...gap }, this.#unfilled(gap), this.#deliver(message)];
  }

  /** Delivers what is held below `limit` and gives up what is missing there. */
  #giveUpBefore(limit: number, replay: RunningReplay): SequenceAction<Batch>[] {
    if (this.#next >= limit || (this.#continues(limit) && !this.#held.has(this.#next))) return [];
    const actions: SequenceAction<Batch>[] = [];
    const giveUp = (toSequence: number) => {
      const gap = { fromSequence: this.#next, toSequence };
      if (!replay.gapReported) actions.push({ kind: "gap", ...gap });
      replay.gapReported = false;
      actions.push(this.#unfilled(gap));
      this.#next = toSequence + 1;
    };
    for (const message of this.#heldInOrder()) {
      if (message.sequence >= limit) break;
      this.#held.delete(message.sequence);
      if (!this.#continues(message.sequence)) giveUp(message.sequence - 1);
      actions.push(this.#deliver(message));
    }
    if (this.#next < limit && !this.#continues(limit)) giveUp(limit - 1);
    return actions;
  }

  #continues(sequence: number): boolean {
    return sequence === this.#next || (sequence === 1 && this.#next === 0);
  }

  #deliver(message: Numbered<Batch>): SequenceAction<Batch> {
    this.#next = message.sequence + 1;
    this.#lastDelivered = { sequence: message.sequence, timeS: message.timeS };
    return { kind: "deliver", message };
  }

  #unfilled(range: { fromSequence: number; toSequence: number }): SequenceAction<Batch> {
    return { kind: "unfilled_gap", ...range, afterDelivery: this.#lastDelivered !== undefined };
  }

  /** Asks from the last delivered message on, to see that it is still the same publisher that answers. */
  #requestReplay(throughSequence: number, gapReported: boolean): SequenceAction<Batch> {
    this.#replay = { throughSequence, gapReported };
    return { kind: "request_replay", fromSequence: this.#lastDelivered?.sequence ?? this.#next };
  }

  #isFromRestarted(message: Numbered<Batch>): boolean {
    if (message.timeS === undefined || this.#newestTimeS === undefined)
      return message.sequence < this.#lastLiveSequence;
    return message.sequence <= this.#newestSequence && message.timeS > this.#newestTimeS;
  }

  #isOverlapOfAnotherProcess(message: Numbered<Batch>): boolean {
    const last = this.#lastDelivered;
    if (last === undefined || message.sequence !== last.sequence) return false;
    return message.timeS !== undefined && last.timeS !== undefined && message.timeS !== last.timeS;
  }

  #refuseResume(): SequenceAction<Batch>[] {
    return this.#beginAnew("resume_refused");
  }

  /** Nothing learned so far holds: everything is fetched, and what is held waits for it. */
  #beginAnew(kind: "restart" | "resume_refused"): SequenceAction<Batch>[] {
    const held = this.#heldInOrder();
    const actions: SequenceAction<Batch>[] = [...this.#forget(), { kind }, ...this.start()];
    for (const message of held) {
      this.#noteNewest(message);
      this.#held.set(message.sequence, message);
    }
    return actions;
  }

  #forget(): SequenceAction<Batch>[] {
    const cancel: SequenceAction<Batch>[] = this.#replay === undefined ? [] : [{ kind: "cancel_replay" }];
    this.#replay = undefined;
    this.#resumeUnproven = false;
    this.#held.clear();
    this.#next = 0;
    this.#lastDelivered = undefined;
    this.#lastLiveSequence = -1;
    this.#newestSequence = -1;
    this.#newestTimeS = undefined;
    return cancel;
  }

  #noteNewest(message: Numbered<Batch>): void {
    this.#newestSequence = Math.max(this.#newestSequence, message.sequence);
    if (message.timeS !== undefined) this.#newestTimeS = Math.max(this.#newestTimeS ?? message.timeS, message.timeS);
  }

  #heldInOrder(): Numbered<Batch>[] {
    return [...this.#held.values()].sort((a, b) => a.sequence - b.sequence);
  }
}

import type { ClaimChange, ClaimReset } from "../../protocol/push-message.ts";
import type { BlockStored, KvEvent, KvEventBatch } from "../kv-events/event.ts";
import type { StreamPosition } from "../kv-events/event-sequence.ts";
import type { BlockForest } from "./block-forest.ts";
import { hostMediumBit } from "./block-medium.ts";
import { type BlockIndex, NIL } from "./block-records.ts";
import { cacheGroupOf } from "./cache-group.ts";
import { ChainScopes } from "./chain-scopes.ts";
import { ClaimLog } from "./claim-log.ts";
import type { IndexEvidence } from "./index-state.ts";
import { type BlockLimits, RankBlocks } from "./rank-blocks.ts";
import { restoreBlocks, saveBlocks } from "./saved-blocks.ts";
import type { SavedTables } from "./saved-pod.ts";
import { SegmentClaims } from "./segment-claims.ts";
import type { SegmentText } from "./segment-run.ts";
import type { TranslationCounts } from "./translation-counts.ts";

export type PodTranslationOptions = {
  readonly pod: string;
  readonly epoch: string;
  readonly text: SegmentText;
  /** Seeds the chains, with `baseModel`: the model's name in the edge's settings. */
  readonly secret: string;
  readonly baseModel: string;
  readonly limits: BlockLimits;
  readonly counts: TranslationCounts;
  /** Checks the blocks that the model wrote, where the tokenizer can be encoded with. */
  readonly check: ((forest: BlockForest, block: BlockIndex) => void) | undefined;
  /** Takes claim changes, in order. */
  readonly emit: (change: ClaimChange) => void;
};

/** Segment data that is handed on without being asked for. */
const ENOUGH_BYTES = 32 * 1024;

/** A table is kept over a loss of events if it holds some blocks, and is not mostly empty room. */
const LEAST_KEPT_BLOCKS = 64;
const MOST_KEPT_BYTES = 4096;

/** One pod's KV events as claims: a table for each of its ranks, one set of claims over all of them. */
export class PodTranslation {
  readonly #options: PodTranslationOptions;
  readonly #ranks = new Map<number, RankBlocks>();
  readonly #log = new ClaimLog();
  readonly #claims = new SegmentClaims(this.#log);
  #epoch: string;
  /** What a resync has not gone through yet: the next block of the first rank. */
  #unsent: { readonly rank: RankBlocks; next: number }[] = [];
  #history: IndexEvidence["history"] = "unproven";
  /** The tables are an earlier start's, with this history, and the engine has not confirmed them yet. */
  #restoredHistory: SavedTables["history"] | undefined;
  #position: StreamPosition | undefined;
  #hashesUnchained = false;
  #extraKeysMissing = false;
  readonly #otherKinds = new Set<string>();
  #saltsLeftOut = false;

  constructor(options: PodTranslationOptions) {
    this.#options = options;
    this.#epoch = options.epoch;
    this.#log.begin(options.pod, options.epoch);
  }

  get evidence(): IndexEvidence {
    return {
      history: this.#history,
      hashesUnchained: this.#hashesUnchained,
      extraKeysMissing: this.#extraKeysMissing,
      saltsLeftOut: this.#saltsLeftOut,
      otherKinds: [...this.#otherKinds].sort(),
      ranks: this.#ranks.size,
    };
  }

  /** Sizes, for the collector's own metrics. */
  get sizes(): {
    readonly blocks: number;
    readonly waiting: number;
    readonly segments: number;
    readonly bytes: number;
  } {
    let blocks = 0;
    let waiting = 0;
    let bytes = this.#claims.allocatedBytes;
    for (const rank of this.#ranks.values()) {
      blocks += rank.forest.tree.records.live;
      waiting += rank.forest.unplaced;
      bytes += rank.forest.tree.allocatedBytes;
    }
    return { blocks, waiting, segments: this.#claims.size, bytes };
  }

  /** The last batch taken. */
  get position(): StreamPosition | undefined {
    return this.#position;
  }

  take(batch: KvEventBatch, position: StreamPosition): void {
    this.#prove();
    this.#position = position;
    const rank = batch.dataParallelRank ?? 0;
    for (const event of batch.events) this.#takeEvent(rank, event);
    if (this.#log.bytes >= ENOUGH_BYTES) this.#handOn();
  }

  /** All that the engine has announced so far was taken. */
  caughtUp(): void {
    this.#prove();
  }

  /** What the engine announced first is not to be had. */
  missHistory(): void {
    this.#history = "lost";
  }

  /** The engine's cache is another one now. */
  begin(epoch: string): void {
    this.#ranks.clear();
    this.#hashesUnchained = false;
    this.#extraKeysMissing = false;
    this.#saltsLeftOut = false;
    this.#otherKinds.clear();
    this.#epoch = epoch;
    this.#lose("unproven");
    this.#reset("clear");
  }

  /** Events were missed: what blocks hold is still known, but not which of them are there. */
  doubt(history: "unproven" | "lost"): void {
    for (const [rank, { forest }] of this.#ranks) {
      const { records, allocatedBytes } = forest.tree;
      if (records.live < LEAST_KEPT_BLOCKS || allocatedBytes > MOST_KEPT_BYTES * records.live) this.#ranks.delete(rank);
      else forest.doubtAll();
    }
    this.#lose(history);
    this.#reset("doubt");
  }

  #lose(history: "unproven" | "lost"): void {
    this.#restoredHistory = undefined;
    this.#position = undefined;
    this.#history = history;
  }

  /** The pod goes by another epoch from now on, without having restarted. */
  rename(epoch: string): void {
    this.#epoch = epoch;
    this.resync();
  }

  /** Sends all claims anew: a reset at once, the rest as `collect` asks for it, with the changes that come meanwhile. */
  resync(): void {
    this.#reset(this.#isUncertain ? "doubt" : "restate");
    if (this.#isUncertain) return;
    for (const rank of this.#ranks.values()) rank.forest.held.hideAll();
    this.#unsent = [...this.#ranks.values()].map((rank) => ({ rank, next: 1 }));
  }

  /** Says what all claims handed on so far sum to. */
  check(): void {
    if (this.#isUncertain) {
      this.#reset("doubt");
      return;
    }
    this.#handOn();
    const { gpu, host } = this.#claims.digests;
    this.#options.emit({ kind: "check", pod: this.#options.pod, epoch: this.#epoch, gpu, host });
  }

  /** Hands on what waits, and about `roomBytes` of a resync. True if more of it is to come. */
  collect(roomBytes: number): boolean {
    for (let [part] = this.#unsent; part !== undefined && this.#log.bytes < roomBytes; [part] = this.#unsent) {
      part.next = part.rank.forest.held.showFrom(part.next, () => this.#log.bytes >= roomBytes);
      if (part.next === 0) this.#unsent.shift();
    }
    this.#handOn();
    return this.#unsent.length > 0;
  }

  /** Writes the tables' blocks. Returns how they are read, undefined where they are not worth keeping. */
  save(write: (bytes: Buffer) => void): SavedTables | undefined {
    const [position, history] = [this.#position, this.#restoredHistory ?? this.#history];
    if (position === undefined || history === "unproven" || this.#hashesUnchained) return undefined;
    const { sequence, timeS } = position;
    return {
      baseModel: this.#options.baseModel,
      segmentBytes: this.#options.text.segmentBytes,
      seed: this.#seed,
      position: timeS === undefined ? { sequence } : { sequence, timeS },
      history,
      extraKeysMissing: this.#extraKeysMissing,
      saltsLeftOut: this.#saltsLeftOut,
      otherKinds: [...this.#otherKinds],
      ranks: [...this.#ranks].map(([rank, { forest }]) => ({
        rank,
        groups: forest.held.groups,
        blocks: saveBlocks(forest, write),
      })),
    };
  }

  /** Takes up saved tables, unless they are for other settings. They are claimed once the engine has confirmed them. */
  restore(saved: SavedTables, bytes: Buffer, blocksAt: number): boolean {
    const { baseModel, text } = this.#options;
    if (saved.baseModel !== baseModel || saved.segmentBytes !== text.segmentBytes || saved.seed !== this.#seed) {
      return false;
    }
    let at = blocksAt;
    for (const { rank, groups, blocks } of saved.ranks) {
      const { forest } = this.#addRank(rank);
      forest.held.requireGroups(groups);
      at = restoreBlocks(forest, blocks, bytes, at);
    }
    for (const kind of saved.otherKinds) this.#otherKinds.add(kind);
    this.#extraKeysMissing = saved.extraKeysMissing;
    this.#saltsLeftOut = saved.saltsLeftOut;
    this.#position = { sequence: saved.position.sequence, timeS: saved.position.timeS };
    this.#restoredHistory = saved.history;
    this.#log.drop();
    return true;
  }

  /** What nobody has confirmed is not claimed: the tables' or, before there are any, an earlier start's. */
  get #isUncertain(): boolean {
    return this.#restoredHistory !== undefined || this.#history === "unproven";
  }

  /** Tells tables of another secret or model apart, without telling the secret. */
  get #seed(): string {
    const { text, secret, baseModel } = this.#options;
    return text.hasher.seed({ secret, baseModel }).toString(16);
  }

  /** The stream goes on from where the tables end, or from its start. */
  #prove(): void {
    if (this.#history !== "unproven") return;
    this.#history = this.#restoredHistory ?? "complete";
    if (this.#restoredHistory === undefined) return;
    this.#restoredHistory = undefined;
    this.resync();
  }

  #takeEvent(rankNumber: number, event: KvEvent): void {
    if (event.kind === "all_blocks_cleared") {
      this.#clearRank(rankNumber);
      return;
    }
    if (this.#hashesUnchained) return;
    const rank = this.#ranks.get(rankNumber);
    if (event.kind === "block_removed") {
      rank?.removed(event);
      return;
    }
    this.#note(event);
    const blocks = rank ?? this.#addRank(rankNumber);
    const last = blocks.stored(event);
    // A prompt's blocks come many at once, those of an answer one by one.
    if (last !== NIL && event.blockHashes.length === 1 && event.parentBlockHash !== undefined) {
      this.#options.check?.(blocks.forest, last);
    }
    if (!blocks.hashesUnchained) return;
    this.#ranks.clear();
    this.#hashesUnchained = true;
    this.#reset("clear");
  }

  /** Keeps what an event shows of the limits of this translation. */
  #note(event: BlockStored): void {
    if (event.cacheSalt !== undefined) this.#saltsLeftOut = true;
    if (!cacheGroupOf(event).full) this.#otherKinds.add(event.cacheKind ?? "unknown");
    else if (event.extraKeys === undefined && hostMediumBit(event.medium) === 0) this.#extraKeysMissing = true;
  }

  #addRank(rankNumber: number): RankBlocks {
    const { text, secret, baseModel, counts, limits } = this.#options;
    const scopes = new ChainScopes(text.hasher, secret, baseModel);
    const rank = new RankBlocks({ text, scopes, claims: this.#claims, counts, limits });
    this.#ranks.set(rankNumber, rank);
    return rank;
  }

  /** The rank holds nothing: what came before the collector's time is gone too. */
  #clearRank(rankNumber: number): void {
    this.#ranks.delete(rankNumber);
    if (this.#ranks.size > 0) {
      this.resync();
      return;
    }
    this.#history = "complete";
    this.#reset("clear");
  }

  #reset(kind: ClaimReset["kind"]): void {
    this.#unsent = [];
    this.#claims.clear();
    this.#log.begin(this.#options.pod, this.#epoch);
    this.#options.emit({ kind, pod: this.#options.pod, epoch: this.#epoch });
  }

  #handOn(): void {
    for (const change of this.#log.take()) this.#options.emit(change);
  }
}

import type { BlockForest } from "../block-forest.ts";
import { NONE } from "../block-grade.ts";
import { type BlockIndex, FIELD, NIL } from "../block-records.ts";
import { FLAG } from "../block-tree.ts";
import type { TranslationCounts } from "../translation-counts.ts";
import type { CanonicalTokens } from "./canonical-tokens.ts";
import { CheckBudget } from "./check-budget.ts";

export type DecodedCheckOptions = {
  readonly counts: TranslationCounts;
  /** Share of one core. */
  readonly coreShare: number;
  /** A monotonic clock. */
  readonly nowMs: () => number;
};

type Candidate = {
  readonly forest: BlockForest;
  readonly tokens: CanonicalTokens;
  readonly block: BlockIndex;
  readonly keyLow: number;
  readonly keyHigh: number;
};

/** The end of a checked block: so many tokens depend on what follows. The key tells the block from a later one there. */
type CheckedEnd = { readonly unsettled: number; readonly keyLow: number; readonly keyHigh: number };

const MOST_QUEUED = 8192;
/** Blocks whose end is not settled are remembered, for the next block of the same answer. */
const MOST_REMEMBERED = 8192;
/** How far back an answer's first block looks for a place where a pre-token begins. */
const MOST_TOKENS_BACK = 1024;
/** Longest time that other work waits. */
const SLICE_MS = 4;
const PAUSE_MS = 8;

/**
 * Checks blocks that a model wrote rather than read: their text may be tokenized to other tokens when a client sends it
 * back, and then nobody will hit them. Works off the way of events, inside a budget; a block that finds no time stays
 * claimed.
 */
export class DecodedCheck {
  readonly #options: DecodedCheckOptions;
  readonly #budget: CheckBudget;
  readonly #queue: Candidate[] = [];
  /** By forest: what was checked and may be gone on from. */
  readonly #ends = new WeakMap<BlockForest, Map<BlockIndex, CheckedEnd>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: DecodedCheckOptions) {
    this.#options = options;
    this.#budget = new CheckBudget(options.coreShare, options.nowMs());
  }

  /** Takes a block that was stored on its own behind another. */
  offer(forest: BlockForest, tokens: CanonicalTokens, block: BlockIndex): void {
    const { records } = forest.tree;
    this.#options.counts.checkable++;
    if (this.#queue.length >= MOST_QUEUED) this.#queue.shift();
    const [keyLow, keyHigh] = [records.get(block, FIELD.keyLow), records.get(block, FIELD.keyHigh)];
    this.#queue.push({ forest, tokens, block, keyLow, keyHigh });
    this.#timer ??= setTimeout(() => this.#work(), PAUSE_MS).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#queue.length = 0;
  }

  #work(): void {
    const { nowMs } = this.#options;
    const startMs = nowMs();
    const untilMs = startMs + Math.min(SLICE_MS, this.#budget.left(startMs));
    let done = 0;
    while (done < this.#queue.length && nowMs() < untilMs) this.#check(this.#queue[done++] as Candidate);
    this.#queue.splice(0, done);
    this.#budget.spend(nowMs() - startMs);
    this.#timer = this.#queue.length === 0 ? undefined : setTimeout(() => this.#work(), PAUSE_MS).unref();
  }

  #check({ forest, tokens, block, keyLow, keyHigh }: Candidate): void {
    const { tree } = forest;
    if (!isBlock(forest, block, keyLow, keyHigh) || tree.heldGrade(block) === NONE) return;
    const ends = this.#endsIn(forest);
    const parent = tree.parentOf(block);
    const before = unsettledAt(forest, ends, parent) ?? tokensBack(forest, tokens, parent);
    if (before === undefined) return;
    const ids = lastTokens(forest, block, before + tree.tokenCount(block));
    const verdict = tokens.judge(ids);
    if (verdict.kind === "unknown") return;
    this.#options.counts.checked++;
    if (verdict.kind === "same") {
      if (ends.size >= MOST_REMEMBERED) ends.delete(ends.keys().next().value as BlockIndex);
      ends.set(block, { unsettled: ids.length - verdict.settled, keyLow, keyHigh });
      return;
    }
    this.#options.counts.uncanonical++;
    const first = blockOf(forest, block, ids.length - verdict.at);
    // What was read, and not written, is as its text is tokenized: only with what follows it is not.
    forest.reject(unsettledAt(forest, ends, first) === undefined ? block : first);
  }

  #endsIn(forest: BlockForest): Map<BlockIndex, CheckedEnd> {
    let ends = this.#ends.get(forest);
    if (ends === undefined) {
      ends = new Map();
      this.#ends.set(forest, ends);
    }
    return ends;
  }
}

function isBlock({ tree }: BlockForest, block: BlockIndex, keyLow: number, keyHigh: number): boolean {
  const { records } = tree;
  const hasKey = records.get(block, FIELD.keyLow) === keyLow && records.get(block, FIELD.keyHigh) === keyHigh;
  return hasKey && tree.has(block, FLAG.live);
}

/** Undefined for a block that was not checked. */
function unsettledAt(
  forest: BlockForest,
  ends: ReadonlyMap<BlockIndex, CheckedEnd>,
  block: BlockIndex,
): number | undefined {
  const end = ends.get(block);
  return end !== undefined && isBlock(forest, block, end.keyLow, end.keyHigh) ? end.unsettled : undefined;
}

/** Tokens up to a block's end since the last place where a pre-token surely begins; undefined if it is too far back. */
function tokensBack({ tree }: BlockForest, tokens: CanonicalTokens, from: BlockIndex): number | undefined {
  let count = 0;
  for (let block = from; block !== NIL; block = tree.parentOf(block)) {
    for (let place = tree.tokenCount(block) - 1; place >= 0; place--) {
      if (tokens.isAdded(tree.records.token(block, place))) return count;
      if (++count > MOST_TOKENS_BACK) return undefined;
    }
  }
  return count;
}

/** The last `count` tokens up to a block's end. */
function lastTokens({ tree }: BlockForest, from: BlockIndex, count: number): Uint32Array {
  const ids = new Uint32Array(count);
  let at = count;
  for (let block = from; at > 0; block = tree.parentOf(block)) {
    for (let place = tree.tokenCount(block) - 1; place >= 0 && at > 0; place--) {
      ids[--at] = tree.records.token(block, place);
    }
  }
  return ids;
}

/** The block that holds the token so many before the end of another, counting the last as 1. */
function blockOf({ tree }: BlockForest, from: BlockIndex, tokensBeforeEnd: number): BlockIndex {
  let block = from;
  let left = tokensBeforeEnd;
  while (left > tree.tokenCount(block)) {
    left -= tree.tokenCount(block);
    block = tree.parentOf(block);
  }
  return block;
}

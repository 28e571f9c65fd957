import { GPU, NONE } from "./block-grade.ts";
import type { BlockKey } from "./block-key.ts";
import { type BlockIndex, FIELD, NIL } from "./block-records.ts";
import { BlockTree, FLAG } from "./block-tree.ts";
import type { ChainScopes, ScopeId } from "./chain-scopes.ts";
import { HeldClaims } from "./held-claims.ts";
import { RemovedLine } from "./removed-line.ts";
import type { SegmentClaims } from "./segment-claims.ts";
import { SegmentRun, type SegmentText } from "./segment-run.ts";
import type { TranslationCounts } from "./translation-counts.ts";

/** What cannot be held at all (other tokens, other cache groups) is not searched for holes to its very start. */
const MOST_PRESENT = 64;

export type BlockForestOptions = {
  readonly text: SegmentText;
  readonly scopes: ChainScopes;
  readonly claims: SegmentClaims;
  readonly counts: TranslationCounts;
};

/** A block's own content: `count` tokens from `ids[from]` on. */
export type BlockContent = {
  readonly ids: ArrayLike<number>;
  readonly from: number;
  readonly count: number;
  /** More than text, whatever comes before it. */
  readonly opaque: boolean;
};

/**
 * The blocks of one rank, each in one of three states: *named* (others mention it, its tokens are not known), *waiting*
 * (its tokens are known, its place is not) and *placed* (it hangs together with the first block of a sequence). A placed
 * block has its hashes; whatever changes it or its presence is brought to the claims at once.
 */
export class BlockForest {
  readonly tree = new BlockTree();
  readonly held: HeldClaims;
  readonly scopes: ChainScopes;
  readonly #run: SegmentRun;
  readonly #counts: TranslationCounts;
  readonly #removed: RemovedLine;
  #unplaced = 0;

  constructor(options: BlockForestOptions) {
    this.scopes = options.scopes;
    this.#counts = options.counts;
    this.#run = new SegmentRun(this.tree, options.text);
    this.held = new HeldClaims(this.tree, this.#run, options.scopes, options.claims);
    this.#removed = new RemovedLine(this.tree, (index) => this.forget(index));
  }

  /** Blocks that are named or waiting. */
  get unplaced(): number {
    return this.#unplaced;
  }

  /** A block of which only the key is known. */
  name(key: BlockKey): BlockIndex {
    this.#unplaced++;
    return this.tree.add(key);
  }

  /** A named block is the first of a sequence in this scope, which it uses from now on. */
  begin(block: BlockIndex, content: BlockContent, scope: ScopeId): void {
    this.#keep(block, content);
    this.tree.raise(block, FLAG.first);
    this.tree.records.set(block, FIELD.parentOrScope, scope);
    this.#place(block);
  }

  /** A named block comes behind another, which must not be behind it. */
  append(block: BlockIndex, content: BlockContent, before: BlockIndex): void {
    this.#keep(block, content);
    this.tree.link(block, before);
    if (this.tree.has(before, FLAG.placed)) this.#place(block);
    else this.#counts.waiting++;
  }

  /** The block is in a host medium or, with none, in cache groups on the GPU. False if it was already. */
  putIn(block: BlockIndex, medium: number, groups: number): boolean {
    const { tree } = this;
    if (medium === 0 ? (tree.groupsOf(block) & groups) === groups : tree.has(block, medium)) return false;
    if (medium === 0) tree.setGroups(block, tree.groupsOf(block) | groups);
    else tree.raise(block, medium);
    this.held.settle(block);
    return true;
  }

  /** The block is there no more. False if it was not. */
  takeOut(block: BlockIndex, medium: number, groups: number): boolean {
    const { tree } = this;
    if (medium === 0 ? (tree.groupsOf(block) & groups) === 0 : !tree.has(block, medium)) return false;
    if (medium === 0) tree.setGroups(block, tree.groupsOf(block) & ~groups);
    else tree.lower(block, medium);
    this.held.settle(block);
    this.lineUp(block);
    return true;
  }

  /**
   * The block and all before it are on the GPU in these groups: engines compute a block only behind blocks that they
   * hold. So what a loss of events has taken away comes back with the first request that goes on from it.
   */
  reviveUpTo(block: BlockIndex, groups: number): void {
    const { tree } = this;
    const absent: BlockIndex[] = [];
    let present = 0;
    for (let at = block; at !== NIL && tree.has(at, FLAG.placed) && present < MOST_PRESENT; at = tree.parentOf(at)) {
      if (tree.heldGrade(at) === GPU) break;
      if ((tree.groupsOf(at) & groups) === groups) present++;
      else absent.push(at);
    }
    // The first ones first: each then settles once.
    for (let at = absent.pop(); at !== undefined; at = absent.pop()) this.putIn(at, 0, groups);
  }

  /**
   * Nobody can tell any more which blocks are present: all count as absent, and what they hold stays known for a while.
   * Claims are not touched: whoever calls this has voided them all.
   */
  doubtAll(): void {
    const { tree } = this;
    for (let block = tree.records.limit - 1; block > 0; block--) {
      if (!tree.has(block, FLAG.live)) continue;
      tree.setGroups(block, 0);
      tree.lower(block, FLAG.hostMedia);
      tree.setHeldGrade(block, NONE);
      tree.setShownGrade(block, NONE);
    }
    this.#removed.expect(tree.records.live);
    // The latest first, so that they are let go of first: what came early is what many go on from.
    for (let block = tree.records.limit - 1; block > 0; block--) {
      if (tree.has(block, FLAG.live)) this.lineUp(block);
    }
  }

  /** Lets go of a block sooner or later, if it is absent. */
  lineUp(block: BlockIndex): void {
    if (this.tree.isPresent(block)) return;
    if (this.tree.has(block, FLAG.placed)) this.#removed.add(block);
    else this.#sweep(block);
  }

  /** What the block holds cannot be told any more: nothing that it is part of is claimed. */
  obscure(block: BlockIndex): void {
    for (const one of this.#subtree(block)) this.tree.raise(one, FLAG.opaque);
    this.held.settle(block);
  }

  /** The text of the block is tokenized to other tokens when it comes back: neither it nor what follows can be hit. */
  reject(block: BlockIndex): void {
    this.tree.raise(block, FLAG.uncanonical);
    this.held.settle(block);
  }

  /** Drops a block that is absent and all behind it. */
  forget(from: BlockIndex): void {
    for (const block of this.#subtree(from).reverse()) {
      if (this.tree.isPresent(block)) this.#counts.forgotten++;
      this.#discard(block);
    }
  }

  /** Whether a block is among those before another, itself included. */
  isBefore(block: BlockIndex, other: BlockIndex): boolean {
    for (let one = other; one !== NIL; one = this.tree.parentOf(one)) if (one === block) return true;
    return false;
  }

  #keep(block: BlockIndex, { ids, from, count, opaque }: BlockContent): void {
    this.tree.setTokens(block, ids, from, count);
    this.tree.raise(block, opaque ? FLAG.known | FLAG.opaque : FLAG.known);
  }

  /** A block's place is known, and so is that of all that wait behind it. */
  #place(from: BlockIndex): void {
    const { tree } = this;
    const stack = [from];
    for (let block = stack.pop(); block !== undefined; block = stack.pop()) {
      if (!this.#placeText(block)) {
        tree.raise(block, FLAG.opaque);
        this.#counts.opaque++;
      }
      tree.raise(block, FLAG.placed);
      this.#unplaced--;
      if (block !== from) this.#counts.placed++;
      this.held.settle(block);
      tree.addChildren(block, stack);
    }
  }

  /** False where the block is more than text, or comes behind such a block. */
  #placeText(block: BlockIndex): boolean {
    const { tree, scopes } = this;
    if (tree.has(block, FLAG.opaque)) return false;
    const parent = tree.parentOf(block);
    if (parent !== NIL) return !tree.has(parent, FLAG.opaque) && this.#run.placeAfter(block, parent);
    const scope = tree.records.get(block, FIELD.parentOrScope);
    return !scopes.isOpaque(scope) && this.#run.placeFirst(block, scopes.seedLow(scope), scopes.seedHigh(scope));
  }

  /** A block and all behind it, parents first. */
  #subtree(from: BlockIndex): BlockIndex[] {
    const blocks = [from];
    for (let i = 0; i < blocks.length; i++) this.tree.addChildren(blocks[i] as BlockIndex, blocks);
    return blocks;
  }

  /** Drops an unplaced block that is nowhere and that no block waits behind, and so on for the one before it. */
  #sweep(from: BlockIndex): void {
    const { tree } = this;
    for (let block = from; block !== NIL; ) {
      if (tree.has(block, FLAG.placed) || tree.isPresent(block) || tree.hasChildren(block)) return;
      const parent = tree.parentOf(block);
      this.#discard(block);
      block = parent;
    }
  }

  #discard(block: BlockIndex): void {
    const { tree } = this;
    this.#run.forget(block);
    if (!tree.has(block, FLAG.placed)) this.#unplaced--;
    if (tree.has(block, FLAG.first)) this.scopes.release(tree.records.get(block, FIELD.parentOrScope));
    tree.remove(block);
  }
}

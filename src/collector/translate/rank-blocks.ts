import type { BlockHash, BlockRemoved, BlockStored } from "../kv-events/event.ts";
import { type BlockContent, BlockForest, type BlockForestOptions } from "./block-forest.ts";
import { type BlockKey, readBlockKey } from "./block-key.ts";
import { hostMediumBit } from "./block-medium.ts";
import { type BlockIndex, FIELD, NIL } from "./block-records.ts";
import { FLAG } from "./block-tree.ts";
import { cacheGroupOf } from "./cache-group.ts";
import { holdsMoreThanText, scopeOfSequence } from "./text-scope.ts";
import type { TranslationCounts } from "./translation-counts.ts";

export type BlockLimits = {
  /** Blocks in the table of one rank, at most; the removed that are still of use included. */
  readonly mostBlocks: number;
  /** Blocks of one rank that wait for one before them, at most. */
  readonly mostWaiting: number;
};

export type RankBlocksOptions = BlockForestOptions & { readonly limits: BlockLimits };

const MOST_BLOCK_TOKENS = 0xffff;
const ALL_GROUPS = 0xffff;

/** One block of a store event. */
type StoredBlock = {
  readonly event: BlockStored;
  /** Its number among the event's blocks. */
  readonly place: number;
  /** The block before it, NIL for the first of a sequence. */
  readonly before: BlockIndex;
  /** Bit of its host medium, 0 for the GPU. */
  readonly medium: number;
};

/**
 * What one rank of one pod has cached, as its events tell, with set semantics: stored means present in that tier,
 * removed means absent, whatever came before.
 */
export class RankBlocks {
  readonly forest: BlockForest;
  readonly #counts: TranslationCounts;
  readonly #limits: BlockLimits;
  readonly #key: BlockKey = { low: 0, high: 0 };
  #hashesUnchained = false;

  constructor(options: RankBlocksOptions) {
    this.#counts = options.counts;
    this.#limits = options.limits;
    this.forest = new BlockForest(options);
  }

  /** The same tokens were stored under one hash behind different blocks: hashes tell nothing of what comes before. */
  get hashesUnchained(): boolean {
    return this.#hashesUnchained;
  }

  /** Takes a store. Returns its last block where all of its blocks were taken with their tokens, else NIL. */
  stored(event: BlockStored): BlockIndex {
    const { blockHashes, cacheSalt } = event;
    if (cacheSalt !== undefined) {
      // SGLang's hashes leave the salt out: the same hash can be a block with and one without.
      this.#counts.opaque += blockHashes.length;
      return NIL;
    }
    const medium = hostMediumBit(event.medium);
    const group = cacheGroupOf(event);
    if (medium === 0) this.forest.held.requireGroups(group.bit);
    if (!group.full) {
      this.#counts.otherGroups += blockHashes.length;
      if (medium === 0 && group.told) this.#storedByName(blockHashes, 0, group.bit);
      return NIL;
    }
    if (event.blockTokens > 0 || event.tokenIds.length > 0) return this.#storedWithTokens(event, medium, group.bit);
    this.#storedByName(blockHashes, medium, group.bit);
    return NIL;
  }

  removed(event: BlockRemoved): void {
    const medium = hostMediumBit(event.medium);
    const groups = event.groupIndex === undefined ? ALL_GROUPS : cacheGroupOf(event).bit;
    for (const hash of event.blockHashes) {
      const block = this.#find(hash);
      if (block !== NIL && this.forest.takeOut(block, medium, groups)) this.#counts.removed++;
      else this.#counts.removedUnknown++;
    }
  }

  #storedByName(hashes: readonly BlockHash[], medium: number, group: number): void {
    for (const hash of hashes) {
      let block = this.#find(hash);
      if (block === NIL && this.forest.unplaced < this.#limits.mostWaiting) block = this.forest.name(this.#key);
      if (block === NIL) this.#counts.notWaiting++;
      else this.#nowIn(block, medium, group);
    }
  }

  #storedWithTokens(event: BlockStored, medium: number, group: number): BlockIndex {
    const { blockHashes, blockTokens, tokenIds, parentBlockHash } = event;
    const fits = tokenIds.length === blockHashes.length * blockTokens && blockTokens <= MOST_BLOCK_TOKENS;
    if (!fits || blockTokens === 0) {
      this.#counts.misfits++;
      return NIL;
    }
    let before: BlockIndex = NIL;
    if (parentBlockHash !== undefined) {
      before = this.#blockBefore(parentBlockHash, blockHashes.length);
      if (before === NIL) return NIL;
      if (medium === 0) this.forest.reviveUpTo(before, group);
    }
    for (let place = 0; place < blockHashes.length; place++) {
      const block = this.#identify({ event, place, before, medium });
      if (block === NIL) return NIL;
      this.#nowIn(block, medium, group);
      before = block;
    }
    return before;
  }

  /** The block that a store goes on from, or a name for it; NIL where its blocks would have to wait and cannot. */
  #blockBefore(hash: BlockHash, followers: number): BlockIndex {
    const block = this.#find(hash);
    if (block !== NIL && this.forest.tree.has(block, FLAG.placed)) return block;
    if (this.forest.unplaced + followers >= this.#limits.mostWaiting) {
      this.#counts.notWaiting += followers;
      return NIL;
    }
    return block === NIL ? this.forest.name(this.#key) : block;
  }

  /** The record of a stored block, as the event describes it; NIL where it cannot be taken. */
  #identify(stored: StoredBlock): BlockIndex {
    const { forest } = this;
    const block = this.#find(stored.event.blockHashes[stored.place] as BlockHash);
    if (block === NIL) return this.#addNew(stored);
    if (!forest.tree.has(block, FLAG.known)) {
      if (!this.#hasRoom(stored)) return NIL;
      if (!forest.isBefore(block, stored.before)) return this.#describe(block, stored);
      this.#counts.misfits++;
      return NIL;
    }
    const verdict = this.#compare(block, stored);
    if (verdict === "same") return block;
    this.#counts.conflicts++;
    if (verdict === "unchained") this.#hashesUnchained = true;
    if (verdict !== "other") return NIL;
    if (forest.tree.isPresent(block)) {
      // Which of the two a later event means cannot be told.
      forest.obscure(block);
      return NIL;
    }
    forest.forget(block);
    return this.#addNew(stored);
  }

  /** `#key` is the block's. */
  #addNew(stored: StoredBlock): BlockIndex {
    if (this.forest.tree.records.live < this.#limits.mostBlocks) {
      return this.#hasRoom(stored) ? this.#describe(this.forest.name(this.#key), stored) : NIL;
    }
    this.#counts.noRoom++;
    return NIL;
  }

  #hasRoom({ event }: StoredBlock): boolean {
    const fits = this.forest.tree.records.hasRoom(event.blockTokens);
    if (!fits) this.#counts.noRoom++;
    return fits;
  }

  /**
   * `other_scope`: tokens and place are the same, for another adapter (engines whose hash leaves that out). `unchained`:
   * the same tokens behind another block.
   */
  #compare(block: BlockIndex, stored: StoredBlock): "same" | "other_scope" | "unchained" | "other" {
    const { tree, scopes } = this.forest;
    const { event, place, before, medium } = stored;
    const { blockTokens, tokenIds } = event;
    if (tree.tokenCount(block) !== blockTokens) return "other";
    if (!tree.records.hasTokens(block, tokenIds, place * blockTokens, blockTokens)) return "other";
    if (before !== NIL) return tree.parentOf(block) === before ? "same" : "unchained";
    // Connectors name no parent where they only move a block.
    if (!tree.has(block, FLAG.first)) return medium === 0 ? "unchained" : "same";
    const scope = scopes.use(scopeOfSequence(event));
    const isSame = scopes.areEqual(scope, tree.records.get(block, FIELD.parentOrScope));
    scopes.release(scope);
    return isSame ? "same" : "other_scope";
  }

  #describe(block: BlockIndex, { event, place, before }: StoredBlock): BlockIndex {
    const { blockTokens: count, tokenIds: ids } = event;
    const content: BlockContent = { ids, from: place * count, count, opaque: false };
    if (before === NIL) this.forest.begin(block, content, this.forest.scopes.use(scopeOfSequence(event)));
    else this.forest.append(block, { ...content, opaque: holdsMoreThanText(event, place) }, before);
    return block;
  }

  #nowIn(block: BlockIndex, medium: number, group: number): void {
    if (this.forest.putIn(block, medium, group)) this.#counts.stored++;
    else this.#counts.storedAgain++;
  }

  /** The block of a hash, whose key is in `#key` then. */
  #find(hash: BlockHash): BlockIndex {
    readBlockKey(hash, this.#key);
    return this.forest.tree.find(this.#key);
  }
}

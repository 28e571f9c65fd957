import { GPU, type Grade, HOST, NONE } from "./block-grade.ts";
import { type BlockIndex, FIELD, NIL } from "./block-records.ts";
import { type BlockTree, FLAG } from "./block-tree.ts";
import type { ChainScopes } from "./chain-scopes.ts";
import type { SegmentClaims } from "./segment-claims.ts";
import type { SegmentRun } from "./segment-run.ts";

/**
 * Turns the presence of blocks into claims. A block is *held* at the least grade of its own and those before it, so
 * what lies behind a hole is not held and comes back when the hole closes. The segments that end in a held block are
 * *shown*: claimed at that grade. Outside a resync a block is shown as it is held.
 */
export class HeldClaims {
  readonly #tree: BlockTree;
  readonly #run: SegmentRun;
  readonly #scopes: ChainScopes;
  readonly #claims: SegmentClaims;
  /** Cache groups that a block must be in to be of use, a bit each. */
  #groups = 0;
  readonly #stack: BlockIndex[] = [];
  readonly #lowered: BlockIndex[] = [];

  constructor(tree: BlockTree, run: SegmentRun, scopes: ChainScopes, claims: SegmentClaims) {
    this.#tree = tree;
    this.#run = run;
    this.#scopes = scopes;
    this.#claims = claims;
  }

  /** The cache groups that have blocks, a bit each. */
  get groups(): number {
    return this.#groups;
  }

  /** Cache groups have blocks. A hit needs every group, so whatever is not in all of them is not held any more. */
  requireGroups(groups: number): void {
    if ((this.#groups & groups) === groups) return;
    const first = this.#groups === 0;
    this.#groups |= groups;
    if (first) return;
    for (let index = 1; index < this.#tree.records.limit; index++) {
      if (this.#tree.has(index, FLAG.live)) this.settle(index);
    }
  }

  /** Brings a block's claims, and those of all behind it, in line with what is present. */
  settle(index: BlockIndex): void {
    const tree = this.#tree;
    this.#stack.push(index);
    for (let block = this.#stack.pop(); block !== undefined; block = this.#stack.pop()) {
      const parent = tree.parentOf(block);
      const before = parent === NIL ? GPU : tree.heldGrade(parent);
      const grade = Math.min(this.#ownGrade(block), before) as Grade;
      if (grade === tree.heldGrade(block)) continue;
      const lowers = grade < tree.heldGrade(block);
      tree.setHeldGrade(block, grade);
      if (lowers) this.#lowered.push(block);
      else this.show(block);
      tree.addChildren(block, this.#stack);
    }
    // The deepest first: what is claimed stays closed under prefixes all the time.
    for (let block = this.#lowered.pop(); block !== undefined; block = this.#lowered.pop()) {
      if (tree.shownGrade(block) !== NONE) this.#bringInLine(block);
    }
  }

  /** Shows a block as it is held, after all before it that a resync has not reached yet. */
  show(index: BlockIndex): void {
    const tree = this.#tree;
    const bottom = this.#stack.length;
    for (let block = index; block !== NIL && tree.shownGrade(block) === NONE; block = tree.parentOf(block)) {
      this.#stack.push(block);
    }
    if (this.#stack.length === bottom) this.#bringInLine(index);
    while (this.#stack.length > bottom) this.#bringInLine(this.#stack.pop() as BlockIndex);
  }

  /** Shows blocks from a number on until there is enough. Returns the number to go on from, 0 when all are shown. */
  showFrom(next: number, isEnough: () => boolean): number {
    const tree = this.#tree;
    for (let index = next; index < tree.records.limit; index++) {
      if (tree.heldGrade(index) === tree.shownGrade(index)) continue;
      if (isEnough()) return index;
      this.show(index);
    }
    return 0;
  }

  /** The edge forgot everything: nothing is shown any more. */
  hideAll(): void {
    for (let index = 1; index < this.#tree.records.limit; index++) this.#tree.setShownGrade(index, NONE);
  }

  #ownGrade(index: BlockIndex): Grade {
    const tree = this.#tree;
    const flags = tree.records.get(index, FIELD.flags);
    if ((flags & FLAG.placed) === 0 || (flags & (FLAG.opaque | FLAG.uncanonical)) !== 0) return NONE;
    if (this.#groups !== 0 && (tree.groupsOf(index) & this.#groups) === this.#groups) return GPU;
    // Of a model with several groups, what is in a host tier tells nothing of the other groups.
    const severalGroups = (this.#groups & (this.#groups - 1)) !== 0;
    return (flags & FLAG.hostMedia) !== 0 && !severalGroups ? HOST : NONE;
  }

  #bringInLine(index: BlockIndex): void {
    const tree = this.#tree;
    const held = tree.heldGrade(index);
    const shown = tree.shownGrade(index);
    if (held === shown) return;
    tree.setShownGrade(index, held);
    const parent = tree.parentOf(index);
    if (!this.#run.isAbout(index) && !this.#run.endsAny(index, parent)) return;
    const scope = parent === NIL ? tree.records.get(index, FIELD.parentOrScope) : 0;
    this.#run.revisit(index, parent, this.#scopes.seedLow(scope), this.#scopes.seedHigh(scope));
    const { ended, hashes, tokens } = this.#run;
    for (let i = 0; i < ended; i++) {
      const segment = held > NONE ? i : ended - 1 - i;
      const low = hashes[2 * segment] as number;
      const high = hashes[2 * segment + 1] as number;
      const through = tokens[segment] as number;
      if (held > NONE) this.#claims.add(low, high, through, held);
      if (shown > NONE) this.#claims.subtract(low, high, through, shown);
    }
  }
}

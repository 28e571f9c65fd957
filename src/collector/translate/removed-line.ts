import type { BlockIndex } from "./block-records.ts";
import { type BlockTree, FLAG } from "./block-tree.ts";

const LEAST = 1024;
/** Removed blocks are kept up to this share of all. */
const SHARE = 1 / 32;

/**
 * Blocks that were removed, in the order of removal. They are kept for a while, since blocks behind them may be present
 * and come to be of use again when the hole closes; past the bound the longest removed is given up first.
 */
export class RemovedLine {
  readonly #tree: BlockTree;
  readonly #giveUp: (index: BlockIndex) => void;
  #ring = new Uint32Array(2 * LEAST);
  #head = 0;
  #length = 0;
  /** Removed blocks that are kept beyond the share, one less with each further one. */
  #grace = 0;

  /** `giveUp` drops a block that is still absent, and all behind it. */
  constructor(tree: BlockTree, giveUp: (index: BlockIndex) => void) {
    this.#tree = tree;
    this.#giveUp = giveUp;
  }

  get length(): number {
    return this.#length;
  }

  /** So many blocks are removed at once, and likely to come back. */
  expect(blocks: number): void {
    this.#grace = 2 * blocks;
  }

  add(index: BlockIndex): void {
    if (!this.#tree.has(index, FLAG.inLine)) {
      this.#tree.raise(index, FLAG.inLine);
      if (this.#length === this.#ring.length) this.#widen();
      this.#ring[(this.#head + this.#length++) & (this.#ring.length - 1)] = index;
    }
    const most = Math.max(LEAST, Math.floor(this.#tree.records.live * SHARE), this.#grace);
    if (this.#grace > 0) this.#grace--;
    while (this.#length > most) this.#next();
  }

  #next(): void {
    const index = this.#ring[this.#head] as number;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#length--;
    this.#tree.lower(index, FLAG.inLine);
    if (!this.#tree.has(index, FLAG.live)) this.#tree.records.free(index);
    else if (!this.#tree.isPresent(index)) this.#giveUp(index);
  }

  #widen(): void {
    const wider = new Uint32Array(2 * this.#ring.length);
    for (let i = 0; i < this.#length; i++) wider[i] = this.#ring[(this.#head + i) & (this.#ring.length - 1)] as number;
    this.#ring = wider;
    this.#head = 0;
  }
}

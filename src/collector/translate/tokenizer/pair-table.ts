/** Rank that stands for "these two are never joined". */
export const NO_MERGE = 0xffff_ffff;

/** Which two neighbouring tokens are joined, in which order of precedence, and to what. Plain arrays, open addressing. */
export type PairTable = {
  /** By slot; both 0 with rank `NO_MERGE` where it is free. */
  readonly left: Uint32Array<ArrayBuffer>;
  readonly right: Uint32Array<ArrayBuffer>;
  readonly rank: Uint32Array<ArrayBuffer>;
  /** By rank. */
  readonly joined: Uint32Array<ArrayBuffer>;
};

/** The table of `pairs` in the order of their precedence. */
export function pairTable(
  pairs: readonly { readonly left: number; readonly right: number; readonly joined: number }[],
): PairTable {
  let slots = 16;
  while (slots < 1.5 * pairs.length) slots *= 2;
  const table: PairTable = {
    left: new Uint32Array(slots),
    right: new Uint32Array(slots),
    rank: new Uint32Array(slots).fill(NO_MERGE),
    joined: Uint32Array.from(pairs, ({ joined }) => joined),
  };
  for (const [rank, { left, right }] of pairs.entries()) {
    const slot = slotOf(table, left, right);
    table.left[slot] = left;
    table.right[slot] = right;
    table.rank[slot] = Math.min(rank, table.rank[slot] as number);
  }
  return table;
}

/** Precedence of joining two neighbours, the lowest first; `NO_MERGE` if they are not. */
export function mergeRank(table: PairTable, left: number, right: number): number {
  return table.rank[slotOf(table, left, right)] as number;
}

function slotOf(table: PairTable, left: number, right: number): number {
  const mask = table.rank.length - 1;
  let slot = (Math.imul(left, 0x9e37_79b1) ^ Math.imul(right, 0x85eb_ca77)) >>> 7;
  for (slot &= mask; table.rank[slot] !== NO_MERGE; slot = (slot + 1) & mask) {
    if (table.left[slot] === left && table.right[slot] === right) return slot;
  }
  return slot;
}

/** By the end of a term column's name. Columns that end otherwise are scores, ranks and other plain numbers. */
const UNITS: readonly (readonly [end: RegExp, unit: string])[] = [
  [/TokensPerS$/, "tokens/s"],
  [/Ms$/, "ms"],
  [/[a-z]S$/, "s"],
  [/Tokens$|^tokens$/, "tokens"],
  [/Blocks$/, "blocks"],
  [/Percent$/, "%"],
  [/Share$/, "share"],
  [/^(requests|inFlight|placed|bound|limit)$/, "requests"],
  [/^(known|kept|drawn|imbalanced|available|affine)$/, "0 or 1"],
];

/** The unit of a policy's term column; undefined for a plain number. */
export function unitOf(column: string): string | undefined {
  return UNITS.find(([end]) => end.test(column))?.[1];
}

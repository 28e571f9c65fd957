/** A column of a printed table. Figures go to the right. */
export type TextColumn<Row> = {
  /** One or two lines; the second is the unit. */
  readonly title: readonly [name: string, unit?: string | undefined];
  readonly value: (row: Row) => string;
  readonly figures?: boolean;
};

/** Lines of an aligned table, under its titles. A line of units is there where some column has one. */
export function textTable<Row>(columns: readonly TextColumn<Row>[], rows: readonly Row[]): string[] {
  const hasUnits = columns.some(({ title }) => title[1]);
  const titles = hasUnits ? [0, 1] : [0];
  const lines = [
    ...titles.map((line) => columns.map(({ title }) => title[line] ?? "")),
    ...rows.map((row) => columns.map(({ value }) => value(row))),
  ];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => (line[i] ?? "").length)));
  return lines.map((line) =>
    columns
      .map(({ figures }, i) =>
        figures ? (line[i] ?? "").padStart(widths[i] ?? 0) : (line[i] ?? "").padEnd(widths[i] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
}

/** A figure for people: three digits that count, thousands apart; a dash for none. */
export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined) return "-";
  const size = Math.abs(value);
  const decimals = size === 0 || size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3;
  return value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/** A share as a percentage with one decimal. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

import { fixed } from "../report/table.ts";
import type { FleetRow } from "./fleet-row.ts";
import { LENGTH_CLASSES } from "./waits-by-length.ts";

/** The rows as Markdown tables, two per setting: the policies, and how long prompts of each length waited. */
export function fleetTables(rows: readonly FleetRow[]): string[] {
  const lines: string[] = [];
  for (const ofSetting of bySetting(rows)) {
    const first = ofSetting[0] as FleetRow;
    lines.push(`**${settingTitle(first)}**`, "", ...markdownTable(COLUMNS, ofSetting), "");
    lines.push(...markdownTable(WAIT_COLUMNS, ofSetting), "");
  }
  return lines;
}

/** Rows of one setting together, in the order they came. */
export function bySetting(rows: readonly FleetRow[]): FleetRow[][] {
  return [...Map.groupBy(rows, settingTitle).values()];
}

/** Rows of one trace and fleet together, whatever the demand. */
export function byFleet(rows: readonly FleetRow[]): FleetRow[][] {
  return [...Map.groupBy(rows, fleetTitle).values()];
}

/** A setting in words. */
export function settingTitle(row: FleetRow): string {
  const demand = row.load === null ? `${row.sessionsPerPod} sessions a pod` : `load ${fixed(row.load, 2)}`;
  return titleOf(row, [demand]);
}

/** A trace and a fleet in words. */
export function fleetTitle(row: FleetRow): string {
  return titleOf(row, []);
}

function titleOf(row: FleetRow, demand: readonly string[]): string {
  const cache = row.cacheScale === 1 ? "" : `, cache x${Number(row.cacheScale.toPrecision(3))}`;
  const index =
    row.index === "events" ? "" : `, index of ${row.index === "sent" ? "what was sent" : "all that was sent"}`;
  const engine = `${row.engine}${cache}`;
  return [row.trace, row.scenario, `${row.pods} pods`, ...demand, engine, `profile ${row.profile}${index}`].join(", ");
}

type Column = { readonly title: string; readonly value: (row: FleetRow) => string };

const COLUMNS: readonly Column[] = [
  { title: "policy", value: ({ policy }) => policy },
  { title: "queue", value: ({ queue }) => queue },
  { title: "TTFT mean s", value: (row) => `${fixed(row.ttftS.mean, 3)} ± ${fixed(row.ttftMeanHalfRangeS, 3)}` },
  { title: "p50", value: ({ ttftS }) => fixed(ttftS.p50, 2) },
  { title: "p90", value: ({ ttftS }) => fixed(ttftS.p90, 2) },
  { title: "p99", value: ({ ttftS }) => fixed(ttftS.p99, 2) },
  { title: "good %", value: ({ goodShare }) => fixed(100 * goodShare, 1) },
  { title: "hit %", value: ({ hitShare }) => fixed(100 * hitShare, 1) },
  { title: "imbalance", value: ({ imbalance }) => fixed(imbalance, 2) },
  { title: "TPOT ms", value: ({ tpotMs }) => fixed(tpotMs, 1) },
  { title: "refused", value: ({ refused, failed }) => fixed(refused + failed) },
  { title: "mean TTFT against", value: pairedText },
];

/** Who is let past whom shows in the longest waits. */
const WAIT_COLUMNS: readonly Column[] = [
  ...COLUMNS.slice(0, 2),
  ...LENGTH_CLASSES.flatMap(({ title }, i): Column[] => [
    { title: `TTFT s, ${title}: mean`, value: ({ waits }) => fixed(waits[i]?.meanS ?? Number.NaN, 2) },
    { title: "p99", value: ({ waits }) => fixed(waits[i]?.p99S ?? Number.NaN, 1) },
    { title: "longest", value: ({ waits }) => fixed(waits[i]?.longestS ?? Number.NaN, 1) },
    { title: "requests", value: ({ waits }) => fixed(waits[i]?.requests ?? 0) },
  ]),
];

function pairedText({ pairedDiff }: FleetRow): string {
  if (pairedDiff === null) return "";
  const { vs, meanS, ciLowS, ciHighS } = pairedDiff;
  return `${vs}: ${fixed(meanS, 3)} s [${fixed(ciLowS, 3)}, ${fixed(ciHighS, 3)}]`;
}

function markdownTable(columns: readonly Column[], rows: readonly FleetRow[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    line(columns.map(({ title }) => title)),
    line(columns.map(() => "---")),
    ...rows.map((row) => line(columns.map(({ value }) => value(row)))),
  ];
}

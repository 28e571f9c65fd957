import { type FleetRow, policyLabel } from "./fleet-row.ts";
import { escaped, one, svgPicture } from "./svg-picture.ts";

const PANEL = { width: 270, height: 230, left: 52, top: 52, gap: 62 };
const LEGEND = { left: 24, line: 17 };
/** Of Tableau's ten; further lines are dashed. */
const COLOURS = ["#4c78a8", "#f58518", "#e45756", "#54a24b", "#b279a2", "#eeca3b", "#72b7b2", "#9d755d", "#ff9da6"];

type Panel = {
  readonly title: string;
  readonly logarithmic: boolean;
  readonly value: (row: FleetRow) => number;
  readonly text: (value: number) => string;
};

const PANELS: readonly Panel[] = [
  {
    title: "mean TTFT, s",
    logarithmic: true,
    value: ({ ttftS }) => ttftS.mean,
    text: (s) => `${Number(s.toPrecision(2))}`,
  },
  {
    title: "hit share, %",
    logarithmic: false,
    value: ({ hitShare }) => 100 * hitShare,
    text: (share) => share.toFixed(0),
  },
  { title: "imbalance", logarithmic: false, value: ({ imbalance }) => imbalance, text: (value) => value.toFixed(2) },
];

/** How much is asked of the fleet: load, or sessions a pod. */
export function demandOf({ load, sessionsPerPod }: FleetRow): number {
  return load ?? sessionsPerPod ?? 0;
}

/**
 * Mean TTFT, hit share and imbalance of each policy against the demand. Rows are of one trace and fleet, at two demands or
 * more.
 */
export function demandPlot(title: string, rows: readonly FleetRow[]): string {
  const labels = [...new Set(rows.map(policyLabel))];
  const lines = labels.map((label) =>
    rows.filter((row) => policyLabel(row) === label).toSorted((a, b) => demandOf(a) - demandOf(b)),
  );
  const legendLeft = PANEL.left + PANELS.length * (PANEL.width + PANEL.gap) - PANEL.gap + LEGEND.left;
  const width = legendLeft + 60 + 6.6 * Math.max(...labels.map(({ length }) => length));
  const height = Math.max(PANEL.top + PANEL.height + 40, PANEL.top + labels.length * LEGEND.line + 8);
  return svgPicture({ title, heading: title }, one(width), one(height), [
    ...PANELS.flatMap((panel, i) => panelOf(panel, PANEL.left + i * (PANEL.width + PANEL.gap), lines)),
    ...labels.flatMap((label, i) => {
      const y = PANEL.top + i * LEGEND.line + 6;
      return [
        `<line x1="${legendLeft}" x2="${legendLeft + 26}" y1="${y}" y2="${y}" ${strokeOf(i)}/>`,
        `<text x="${legendLeft + 34}" y="${y + 4}">${escaped(label)}</text>`,
      ];
    }),
  ]);
}

function panelOf(panel: Panel, left: number, lines: readonly (readonly FleetRow[])[]): string[] {
  const rows = lines.flat();
  const demands = [...new Set(rows.map(demandOf))].sort((a, b) => a - b);
  const first = demands[0] as number;
  const scaled = (value: number) => (panel.logarithmic ? Math.log(Math.max(value, 1e-3)) : value);
  const values = rows.map((row) => scaled(panel.value(row)));
  const least = Math.min(...values);
  const span = Math.max(...values) - least || 1;
  const bottom = PANEL.top + PANEL.height;
  const x = (demand: number) => left + (PANEL.width * (demand - first)) / ((demands.at(-1) as number) - first || 1);
  const yOf = (place: number) => bottom - PANEL.height * (0.04 + (0.92 * (place - least)) / span);
  const y = (row: FleetRow) => yOf(scaled(panel.value(row)));
  const ticks = [0, 1, 2, 3, 4].map((i) => least + (span * i) / 4);
  return [
    `<text x="${left}" y="${PANEL.top - 10}">${escaped(panel.title)}${panel.logarithmic ? " (log)" : ""}</text>`,
    `<rect x="${left}" y="${PANEL.top}" width="${PANEL.width}" height="${PANEL.height}" fill="none" stroke="#999"/>`,
    ...ticks.flatMap((tick) => [
      `<line x1="${left}" x2="${left + PANEL.width}" y1="${one(yOf(tick))}" y2="${one(yOf(tick))}" stroke="#e4e4e4"/>`,
      `<text x="${left - 6}" y="${one(yOf(tick) + 4)}" text-anchor="end">${panel.text(panel.logarithmic ? Math.exp(tick) : tick)}</text>`,
    ]),
    ...demands.map((demand) => `<text x="${one(x(demand))}" y="${bottom + 16}" text-anchor="middle">${demand}</text>`),
    `<text x="${left + PANEL.width / 2}" y="${bottom + 32}" text-anchor="middle">${demandName(rows[0] as FleetRow)}</text>`,
    ...lines.map((line, i) => {
      const points = line.map((row) => `${one(x(demandOf(row)))},${one(y(row))}`).join(" ");
      return `<polyline points="${points}" fill="none" ${strokeOf(i)}/>`;
    }),
  ];
}

function demandName({ load }: FleetRow): string {
  return load === null ? "sessions a pod" : "load";
}

function strokeOf(index: number): string {
  const colour = COLOURS[index % COLOURS.length] as string;
  const dashes = index < COLOURS.length ? "" : ' stroke-dasharray="5 3"';
  // The policy named first is the one that the others are looked at beside.
  return `stroke="${colour}" stroke-width="${index === 0 ? 3.5 : 1.6}"${dashes}`;
}

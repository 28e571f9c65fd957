import { type FleetRow, policyLabel } from "./fleet-row.ts";
import { escaped, one, svgPicture } from "./svg-picture.ts";

const BARS_WIDTH = 550;
/** Of a letter, about. */
const LETTER_WIDTH = 6.4;
const BAR_HEIGHT = 18;
const GAP = 8;
const TOP = 34;

/** Mean TTFT of each policy as bars on a logarithmic scale, with the range over seeds. */
export function fleetPlot(title: string, rows: readonly FleetRow[]): string {
  const least = Math.min(...rows.map((row) => Math.max(0.001, row.ttftS.mean - row.ttftMeanHalfRangeS))) / 1.5;
  const most = Math.max(...rows.map((row) => row.ttftS.mean + row.ttftMeanHalfRangeS)) * 1.5;
  const span = Math.log(most / least);
  const labels = rows.map(policyLabel);
  const labelWidth = 16 + Math.ceil(LETTER_WIDTH * Math.max(...labels.map(({ length }) => length)));
  const x = (seconds: number): number =>
    labelWidth + (Math.log(Math.max(seconds, least) / least) / span) * (BARS_WIDTH - 70);
  const bars = rows.flatMap((row, i) => {
    const y = TOP + i * (BAR_HEIGHT + GAP);
    const { mean } = row.ttftS;
    const middle = y + BAR_HEIGHT / 2;
    const from = x(mean - row.ttftMeanHalfRangeS);
    const to = x(mean + row.ttftMeanHalfRangeS);
    return [
      `<text x="${labelWidth - 8}" y="${middle + 4}" text-anchor="end">${escaped(labels[i] as string)}</text>`,
      `<rect x="${labelWidth}" y="${y}" width="${one(x(mean) - labelWidth)}" height="${BAR_HEIGHT}" fill="#4c78a8"/>`,
      `<line x1="${one(from)}" x2="${one(to)}" y1="${middle}" y2="${middle}" stroke="#222" stroke-width="2"/>`,
      `<text x="${one(to + 6)}" y="${middle + 4}">${mean.toFixed(2)} s</text>`,
    ];
  });
  const width = labelWidth + BARS_WIDTH;
  const height = TOP + rows.length * (BAR_HEIGHT + GAP) + 4;
  const words = { title: `Mean TTFT: ${title}`, heading: `Mean TTFT (log scale): ${title}` };
  return svgPicture(words, `${width}`, `${height}`, bars);
}

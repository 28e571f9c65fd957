import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { demandOf, demandPlot } from "./demand-plots.ts";
import { fleetPlot } from "./fleet-plots.ts";
import type { FleetRow } from "./fleet-row.ts";
import { byFleet, bySetting, fleetTables, fleetTitle, settingTitle } from "./fleet-table.ts";

/** What stands between these lines of a document is the command's. */
const BEGIN = "<!-- bench fleet: begin -->";
const END = "<!-- bench fleet: end -->";

/** Where plots go, beside the document. */
const PLOTS = "plots";

/**
 * Puts tables and plots of the rows into a Markdown document, in place of what an earlier run put there. Throws for a
 * document without the two lines that mark the place.
 */
export async function writeDocument(file: string, rows: readonly FleetRow[]): Promise<void> {
  const text = await readFile(file, "utf8");
  const folder = path.join(path.dirname(file), PLOTS);
  await mkdir(folder, { recursive: true });
  const lines: string[] = [];
  for (const ofFleet of byFleet(rows)) {
    if (new Set(ofFleet.map(demandOf)).size < 2) continue;
    const title = fleetTitle(ofFleet[0] as FleetRow);
    const name = plotName(`${title}, by demand`);
    await writeFile(path.join(folder, name), demandPlot(title, ofFleet));
    lines.push(`![Mean TTFT, hit share and imbalance: ${title}](${PLOTS}/${name})`, "");
  }
  for (const ofSetting of bySetting(rows)) {
    const title = settingTitle(ofSetting[0] as FleetRow);
    const name = plotName(title);
    await writeFile(path.join(folder, name), fleetPlot(title, ofSetting));
    lines.push(...fleetTables(ofSetting), `![Mean TTFT: ${title}](${PLOTS}/${name})`, "");
  }
  await writeFile(file, replaced(text, lines, file));
}

/** The text with `lines` between its marks. */
export function replaced(text: string, lines: readonly string[], file: string): string {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${file} has no lines "${BEGIN}" and "${END}"`);
  return `${text.slice(0, begin + BEGIN.length)}\n\n${lines.join("\n")}\n${text.slice(end)}`;
}

function plotName(title: string): string {
  const words = title.toLowerCase().replace(/\.jsonl(\.gz)?/, "");
  return `fleet-${words.replace(/[^a-z0-9]+/g, "-")}.svg`;
}

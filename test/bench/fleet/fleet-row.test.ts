import { describe, expect, it } from "vitest";
import type { FleetCell } from "../../../src/bench/fleet/fleet-cell.ts";
import { replaced } from "../../../src/bench/fleet/fleet-document.ts";
import type { RunFigures } from "../../../src/bench/fleet/fleet-figures.ts";
import { fleetPlot } from "../../../src/bench/fleet/fleet-plots.ts";
import { type FleetRuns, fleetRow } from "../../../src/bench/fleet/fleet-row.ts";
import { fleetTables } from "../../../src/bench/fleet/fleet-table.ts";
import { waitsByLength } from "../../../src/bench/fleet/waits-by-length.ts";

const cell: FleetCell = {
  trace: undefined,
  scenario: "steady",
  profile: "reference",
  engine: "llama-3.1-8b-h100",
  cacheScale: 1,
  index: "events",
  pods: 8,
  demand: { kind: "load", load: 0.45 },
  policy: "warmpath",
  queue: "off",
  seed: 1,
  mostTokens: 120_000,
};

function figures(meanS: number): RunFigures {
  return {
    requests: 100,
    failed: 0,
    refused: 1,
    ttftS: { mean: meanS, p50: meanS, p90: meanS, p99: 2 * meanS },
    podTtftMs: 900,
    tpotMs: 20,
    goodShare: 0.9,
    hitShare: 0.5,
    imbalance: 1.1,
    completedPerS: 3,
    resent: 0,
    preemptions: 0,
    waits: waitsByLength([1_000 * meanS, 2_000 * meanS], [100, 50_000]),
  };
}

function runs(policy: string, meansS: readonly number[]): FleetRuns {
  return { cell: { ...cell, policy }, traceName: "t", figures: meansS.map(figures) };
}

describe("fleetRow", () => {
  it("averages over seeds, sums counts, and tells how far the seeds are apart", () => {
    const row = fleetRow(runs("warmpath", [0.3, 0.4, 0.5]), undefined);
    expect(row.ttftS).toEqual({ mean: 0.4, p50: 0.4, p90: 0.4, p99: 0.8 });
    expect([row.ttftMeanHalfRangeS, row.requests, row.refused, row.load]).toEqual([0.1, 300, 3, 0.45]);
    expect(row.pairedDiff).toBeNull();
  });

  it("tells of each length of prompt the longest wait of all seeds", () => {
    const { waits } = fleetRow(runs("warmpath", [0.3, 0.4, 0.5]), undefined);
    expect(waits.map(({ name, requests, longestS }) => [name, requests, longestS])).toEqual([
      ["small", 3, 0.5],
      ["medium", 0, 0],
      ["large", 3, 1],
    ]);
  });

  it("compares a policy with itself behind another queue", () => {
    const base = runs("warmpath", [1, 2]);
    const queued = { ...runs("warmpath", [0.5, 1.5]), cell: { ...cell, queue: "on" as const } };
    expect(fleetRow(queued, base).pairedDiff).toMatchObject({ vs: "warmpath", meanS: -0.5 });
    expect(fleetRow(queued, base).queue).toBe("on");
  });

  it("compares seed by seed: a steady difference is clear however far the seeds are apart", () => {
    const base = runs("least-request", [1, 2, 3]);
    const { pairedDiff } = fleetRow(runs("warmpath", [0.5, 1.4, 2.6]), base);
    // Differences -0.5, -0.6, -0.4: standard error 0.1 / sqrt(3), Student's t for two degrees of freedom 4.303.
    expect(pairedDiff).toEqual({ vs: "least-request", meanS: -0.5, ciLowS: -0.748, ciHighS: -0.252 });
    expect(fleetRow(base, base).pairedDiff).toBeNull();
  });
});

describe("fleetTables and fleetPlot", () => {
  const rows = [
    fleetRow(runs("least-request", [1, 2, 3]), undefined),
    fleetRow(runs("<b>", [0.5, 0.6, 0.7]), undefined),
  ];

  it("make a Markdown table of each setting", () => {
    const lines = fleetTables([...rows, { ...(rows[0] as (typeof rows)[0]), pods: 32 }]);
    expect(lines.filter((line) => line.startsWith("**"))).toHaveLength(2);
    expect(lines.filter((line) => line.startsWith("| least-request | off | 2.000 ± 1.000 |"))).toHaveLength(2);
  });

  it("make a well-formed picture", () => {
    const svg = fleetPlot("a & b", rows);
    expect(svg).toContain("a &amp; b");
    expect(svg).toContain("&lt;b>");
    expect(svg).not.toContain("NaN");
    expect(svg.match(/<rect/g)).toHaveLength(3);
  });
});

describe("replaced", () => {
  const marks = ["<!-- bench fleet: begin -->", "<!-- bench fleet: end -->"];

  it("changes what stands between the marks and nothing else, however often", () => {
    const text = `before\n${marks[0]}\nold\n${marks[1]}\nafter\n`;
    const once = replaced(text, ["new"], "d.md");
    expect(once).toBe(`before\n${marks[0]}\n\nnew\n${marks[1]}\nafter\n`);
    expect(replaced(once, ["new"], "d.md")).toBe(once);
  });

  it("leaves a document without marks alone", () => {
    expect(() => replaced("text", ["new"], "d.md")).toThrow(/d\.md has no lines/);
  });
});

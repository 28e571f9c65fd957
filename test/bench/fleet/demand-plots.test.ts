import { describe, expect, it } from "vitest";
import { demandPlot } from "../../../src/bench/fleet/demand-plots.ts";
import type { FleetRow } from "../../../src/bench/fleet/fleet-row.ts";

function row(policy: string, load: number, meanS: number): FleetRow {
  const figures = { hitShare: 0.5, imbalance: 1 + load, ttftS: { mean: meanS, p50: 0, p90: 0, p99: 0 } };
  return { policy, queue: "off", load, sessionsPerPod: null, ...figures } as unknown as FleetRow;
}

/** The lines' points, panel by panel. */
function polylines(svg: string): number[][][] {
  return [...svg.matchAll(/points="([^"]*)"/g)].map(([, points]) =>
    (points as string).split(" ").map((point) => point.split(",").map(Number)),
  );
}

describe("the plot by demand", () => {
  const svg = demandPlot("a <fleet>", [row("a", 0.5, 1), row("b", 0.5, 2), row("b", 0.3, 0.2), row("a", 0.3, 0.1)]);

  it("has a line for each policy in each of three panels, and a name for each", () => {
    expect(polylines(svg)).toHaveLength(6);
    expect(svg).toContain(">a</text>");
    expect(svg).toContain(">b</text>");
    expect(svg).toContain("a &lt;fleet>");
  });

  it("draws the demands from left to right and the larger value higher", () => {
    const [a, b] = polylines(svg);
    for (const line of [a, b]) expect(line?.[0]?.[0]).toBeLessThan(line?.[1]?.[0] as number);
    expect(a?.[1]?.[1]).toBeLessThan(a?.[0]?.[1] as number);
    expect(b?.[0]?.[1], "0.2 s is above 0.1 s").toBeLessThan(a?.[0]?.[1] as number);
  });

  it("stays on the sheet, also where all values are the same", () => {
    const [, , width, height] = (svg.match(/viewBox="([^"]*)"/)?.[1] ?? "").split(" ").map(Number);
    for (const [x, y] of polylines(svg).flat()) {
      expect(x).toBeGreaterThan(0);
      expect(x).toBeLessThan(width as number);
      expect(y).toBeGreaterThan(0);
      expect(y).toBeLessThan(height as number);
    }
  });
});

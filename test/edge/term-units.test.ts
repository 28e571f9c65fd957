import { describe, expect, it } from "vitest";
import { unitOf } from "../../src/edge/term-units.ts";

describe("units of policies' terms", () => {
  it.each([
    ["ttftMs", "ms"],
    ["loadS", "s"],
    ["weightedTokensPerS", "tokens/s"],
    ["matchedTokens", "tokens"],
    ["prefillBlocks", "blocks"],
    ["matchedPercent", "%"],
    ["busyShare", "share"],
    ["requests", "requests"],
    ["known", "0 or 1"],
    ["score", undefined],
    ["prefix-cache", undefined],
  ])("of %s: %s", (column, unit) => expect(unitOf(column)).toBe(unit));
});

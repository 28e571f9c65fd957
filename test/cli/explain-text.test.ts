import { describe, expect, it } from "vitest";
import type { ExplainReply } from "../../src/cli/explain-reply.ts";
import { explainLines } from "../../src/cli/explain-text.ts";

const COLUMNS: ExplainReply["columns"] = [
  ["ttftMs", "ms"],
  ["backlogMs", "ms"],
  ["prefillMs", "ms"],
  ["interferenceMs", "ms"],
  ["memoryMs", "ms"],
  ["evictionMs", "ms"],
  ["delayMs", "ms"],
  ["matchedTokens", "tokens"],
].map(([name = "", unit = null]) => ({ name, unit }));

const idOf = (index: number) =>
  `gpu-eu-1/inference/qwen3-32b-instruct-6d9f7c8b5-x${String(index).padStart(3, "0")}/8000`;

function reply(pods: number, leftOut = 0, change: Partial<ExplainReply> = {}): ExplainReply {
  const candidates = Array.from({ length: pods }, (_, i) => {
    const prefillMs = 150 * i + 12.345;
    return {
      id: idOf(i),
      terms: [
        prefillMs + 40 * i + 1.5 * i,
        40 * i,
        prefillMs,
        1.5 * i,
        1_000,
        3_210.4,
        12_345.6,
        Math.max(0, 9_000 - 250 * i),
      ],
      matchedTokens: Math.max(0, 9_000 - 250 * i),
      inFlight: i,
      foreign: i % 3,
      index: { mode: i % 4 === 3 ? "approximate" : "exact" },
      doubted: i === 2,
    };
  });
  return {
    model: { asked: "qwen3-32b", base: "qwen3-32b", adapter: null },
    policy: { name: "warmpath", parameters: {} },
    prompt: {
      endpoint: "chat",
      renderer: "jinja",
      bytes: 36_123,
      tokens: 9_031,
      segments: 141,
      segmentBytes: 256,
      approximate: null,
    },
    admission: { outcome: "placed" },
    chosen: candidates[0]?.id ?? null,
    columns: COLUMNS,
    candidates,
    leftOut: Array.from({ length: leftOut }, (_, i) => ({
      id: idOf(500 + i),
      reasons: i % 2 === 0 ? ["draining"] : ["stale", "ejected"],
    })),
    ...change,
  };
}

const widest = (lines: readonly string[]) => Math.max(...lines.map((line) => line.length));

describe("an explanation on a terminal", () => {
  it("shows the prompt, the choice, each pod's terms under their units, and who is left out", () => {
    expect(explainLines(reply(4, 2))).toEqual([
      "qwen3-32b, chat, renderer jinja: 36,123 bytes, about 9,031 tokens, 141 segments of 256 bytes",
      "warmpath: goes to x000; the others follow in the order it would take them",
      "",
      "   pod   ttft  backlog  prefill  interference  memory  eviction   delay  matched  in flight  index",
      "           ms       ms       ms            ms      ms        ms      ms   tokens",
      ">  x000  12.3        0     12.3             0   1,000     3,210  12,346    9,000          0  exact",
      "   x001   204       40      162          1.50   1,000     3,210  12,346    8,750          2  exact",
      "   x002   395       80      312             3   1,000     3,210  12,346    8,500          4  exact, in doubt",
      "   x003   587      120      462          4.50   1,000     3,210  12,346    8,250          3  approximate",
      "",
      "left out  why",
      "x500      draining",
      "x501      its collector is silent, ejected for failures",
      "",
      "Pods are gpu-eu-1/inference/qwen3-32b-instruct-6d9f7c8b5-NAME/8000.",
    ]);
  });

  it("fits 120 columns with long pod names and every term", () => {
    expect(widest(explainLines(reply(4)))).toBeLessThanOrEqual(120);
    expect(widest(explainLines(reply(40, 14)))).toBeLessThanOrEqual(120);
  });

  it("shows ten of many pods and counts the others", () => {
    const lines = explainLines(reply(40, 14));
    expect(lines.filter((line) => /^>? +x0/.test(line))).toHaveLength(10);
    expect(lines).toContain("30 more");
    expect(lines).toContain("4 more");
    expect(explainLines(reply(10))).not.toContain("0 more");
  });

  it("says what a request would have to wait for, and what is not known of its prompt", () => {
    const held = explainLines(reply(2, 0, { admission: { outcome: "held", ahead: 12, waitMs: 3_400 }, chosen: null }));
    expect(held[1]).toMatch(/^warmpath: would wait for a pod with room; with room everywhere it would go to x000/);
    expect(held[2]).toBe("Queue: 12 waiting, about 3.40 s ahead of it");
    expect(held.join("\n")).not.toContain(">");
    const refused = { outcome: "refused", refused: "queue_full", ahead: 1_024, waitMs: 60_000 } as const;
    expect(explainLines(reply(2, 0, { admission: refused }))[2]).toMatch(/60 s ahead of it; queue_full$/);
    expect(explainLines(reply(0, 0, { admission: { outcome: "no_endpoints" } }))[1]).toBe(
      "warmpath: would be refused: no pod takes it",
    );
    const prompt = { ...reply(1).prompt, approximate: "image" };
    expect(explainLines(reply(1, 0, { prompt }))[0]).toMatch(/; approximate: image$/);
  });

  it("leaves out terms that are 0 for every pod, and says so", () => {
    const idle = reply(3);
    const candidates = idle.candidates.map((pod) => ({
      ...pod,
      terms: pod.terms.map((term, i) => (i === 0 ? term : 0)),
    }));
    const lines = explainLines({ ...idle, candidates });
    expect(lines.find((line) => line.includes("pod "))).toBe("   pod   ttft  in flight  index");
    expect(lines).toContain("0 for every pod: backlog, prefill, interference, memory, eviction, delay, matched");
  });
});

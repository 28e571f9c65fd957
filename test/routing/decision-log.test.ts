import { describe, expect, it } from "vitest";
import type { RecordedDecision } from "../../src/routing/recorded-decision.ts";
import type { Router } from "../../src/routing/router.ts";
import type { DecisionRules } from "../../src/routing/routing-rules.ts";
import { NO_QUEUE, randomTraffic } from "./random-traffic.ts";

function recordedBy(decisions: Partial<DecisionRules>, change: { pods?: number; steps?: number; seed?: number } = {}) {
  return randomTraffic({ ...change, rules: { ...NO_QUEUE, decisions } });
}

const all = (router: Router): RecordedDecision[] => router.decisions.latest({ limit: Number.POSITIVE_INFINITY });

describe("the decision log", () => {
  it("records nothing unless a share is set", () => {
    const { router } = recordedBy({});
    expect(router.decisions.view).toEqual({ kept: 0, bytes: 0, recorded: 0 });
  });

  it("keeps the latest so many", () => {
    const { router } = recordedBy({ share: 1, keep: 25 });
    const recorded = all(router);
    expect(recorded).toHaveLength(25);
    expect(router.decisions.view.recorded).toBeGreaterThan(100);
    const times = recorded.map(({ atMs }) => atMs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(router.decisions.latest({ limit: 3 })).toEqual(recorded.slice(-3));
  });

  it("keeps no more than its bytes, however many that are", () => {
    const few = recordedBy({ share: 1, mostBytes: 100_000 }, { pods: 4 }).router.decisions;
    const fewer = recordedBy({ share: 1, mostBytes: 100_000 }, { pods: 40 }).router.decisions;
    for (const { view } of [few, fewer]) {
      expect(view.bytes).toBeLessThanOrEqual(100_000);
      expect(view.kept).toBeGreaterThan(0);
    }
    expect(fewer.view.kept).toBeLessThan(few.view.kept / 4);
    expect(recordedBy({ share: 1, mostBytes: 1_000 }).router.decisions.view).toMatchObject({ kept: 0, bytes: 0 });
  });

  it("counts at least what the lines come to as text", () => {
    for (const pods of [1, 4, 40]) {
      const { router } = recordedBy({ share: 1, hashes: true, mostBytes: 1e9 }, { pods });
      const text = all(router)
        .map((decision) => JSON.stringify(decision))
        .join("\n");
      expect(router.decisions.view.bytes).toBeGreaterThan(text.length);
    }
  });

  it("follows new rules at once", () => {
    let most = 0;
    randomTraffic({
      rules: { ...NO_QUEUE, decisions: { share: 1 } },
      between: ({ decisions }) => {
        decisions.configure({ share: 1, keep: 10, mostBytes: 1e9, hashes: false });
        most = Math.max(most, decisions.view.kept);
      },
    });
    expect(most).toBe(10);
  });

  it("records about the share that was asked for, and decides nothing differently for it", () => {
    const inAll = all(recordedBy({ share: 1, keep: 9_999, mostBytes: 1e9 }, { steps: 2_000 }).router);
    const inPart = all(recordedBy({ share: 0.2, keep: 9_999, mostBytes: 1e9 }, { steps: 2_000 }).router);
    expect(inPart.length / inAll.length).toBeGreaterThan(0.15);
    expect(inPart.length / inAll.length).toBeLessThan(0.25);
    const named = new Map(inAll.map((decision) => [`${decision.lease} ${decision.atMs}`, decision]));
    for (const decision of inPart) {
      const { chosen, terms } = named.get(`${decision.lease} ${decision.atMs}`) ?? {};
      expect({ chosen, terms }).toEqual({ chosen: decision.chosen, terms: decision.terms });
    }
  });

  it("gives those since a time", () => {
    const { router } = recordedBy({ share: 1, keep: 9_999 });
    const recorded = all(router);
    const middle = recorded[Math.floor(recorded.length / 2)] as RecordedDecision;
    const sinceMs = middle.startedAtMs + middle.atMs;
    const since = router.decisions.latest({ limit: 9_999, sinceMs });
    expect(since[0]).toEqual(recorded.find(({ atMs }) => atMs === middle.atMs));
    expect(since.at(-1)).toEqual(recorded.at(-1));
  });

  it("tells what became of each", () => {
    const recorded = all(recordedBy({ share: 1, keep: 9_999 }, { steps: 600 }).router);
    const of = (kind: string) => recorded.find(({ outcome }) => outcome?.kind === kind);
    expect(of("completed")?.outcome).toEqual({
      kind: "completed",
      ttftMs: expect.any(Number),
      endedAtMs: expect.any(Number),
      promptTokens: expect.any(Number),
      cachedTokens: expect.any(Number),
      completionTokens: 40,
    });
    expect(of("client_left")).toBeDefined();
    const moved = of("moved");
    const again = recorded.find(({ lease, retried }) => lease === moved?.lease && retried);
    expect(again?.atMs).toBe(moved?.outcome?.endedAtMs);
    expect(again?.candidates.map(({ id }) => id)).not.toContain(moved?.candidates[moved.chosen]?.id);
  });

  it("has hashes only where they are asked for", () => {
    const [without] = all(recordedBy({ share: 1 }).router);
    const [withThem] = all(recordedBy({ share: 1, hashes: true }).router);
    expect(without?.hashes).toBeUndefined();
    expect(withThem?.hashes).toHaveLength(withThem?.request.segments ?? 0);
    expect(withThem?.hashes?.[0]).toMatch(/^[0-9a-f]{16}$/);
    expect(Number.parseInt(withThem?.hashes?.[0]?.slice(8) ?? "", 16)).toBe(withThem?.request.firstSegment);
  });
});

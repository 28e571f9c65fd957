import { describe, expect, it } from "vitest";
import { OutlierEjection } from "../../../src/routing/health/outlier-ejection.ts";
import { DEFAULT_OUTLIER_LIMITS, type OutlierLimits } from "../../../src/routing/health/outlier-limits.ts";
import type { PodOutcome } from "../../../src/routing/health/pod-outcome.ts";

/** Four pods a to d, and a clock that stands still unless told. */
function fleet(limits: Partial<OutlierLimits> = {}, pods = ["a", "b", "c", "d"]) {
  const ejection = new OutlierEjection({ ...DEFAULT_OUTLIER_LIMITS, ...limits });
  ejection.setPods(pods, 0);
  let requests = 0;
  return {
    ejection,
    /** Sends requests and ends them at once, each with the next outcome. */
    send(podId: string, nowMs: number, ...outcomes: PodOutcome[]) {
      for (const outcome of outcomes) {
        const requestId = `r${requests++}`;
        ejection.sent(podId, requestId, nowMs);
        ejection.ended({ podId, requestId, sentAtMs: nowMs }, outcome, nowMs);
      }
    },
    kinds: (nowMs: number) => ejection.inspect(nowMs).map(({ state }) => state.kind),
  };
}

const failures = (count: number): PodOutcome[] => new Array(count).fill("connect_failed");

describe("a pod is ejected", () => {
  it.each(["connect_failed", "server_error", "stalled", "truncated"] as const)(
    "after five times %s in a row",
    (outcome) => {
      const { ejection, send } = fleet();
      send("a", 0, ...new Array<PodOutcome>(4).fill(outcome));
      expect(ejection.admits("a", 0)).toBe(true);
      send("a", 0, outcome);
      expect(ejection.state("a", 0)).toEqual({ kind: "ejected", untilMs: 10_000 });
      expect(ejection.admits("a", 9_999)).toBe(false);
      expect(ejection.admits("b", 0)).toBe(true);
    },
  );

  it("never for what its clients do", () => {
    const { ejection, send } = fleet();
    for (let i = 0; i < 100; i++) send("a", i, "rejected", "client_left");
    expect(ejection.state("a", 100)).toEqual({ kind: "healthy" });
  });

  it("although clients leave between its failures, but not if it answers between them", () => {
    const { ejection, send } = fleet({ leastRequests: 1_000 });
    send("a", 0, ...failures(4), "client_left", "rejected", "stalled");
    send("b", 0, ...failures(4), "answered", ...failures(4));
    expect([ejection.admits("a", 0), ejection.admits("b", 0)]).toEqual([false, true]);
  });

  it("when half of its recent requests failed, if there were enough", () => {
    const { ejection, send } = fleet({ leastRequests: 20 });
    for (let i = 0; i < 9; i++) send("a", i, "answered", "server_error");
    send("a", 9, "answered");
    expect(ejection.admits("a", 10)).toBe(true);
    send("a", 10, "server_error");
    expect(ejection.admits("a", 10)).toBe(false);
  });

  it("not for failures of long ago", () => {
    const { ejection, send } = fleet({ leastRequests: 20, windowMs: 30_000 });
    for (let i = 0; i < 9; i++) send("a", i, "server_error", "answered");
    for (let i = 0; i < 9; i++) send("a", 31_000, "answered", "server_error");
    expect(ejection.admits("a", 31_000)).toBe(true);
  });
});

describe("an ejected pod", () => {
  it("is tried by one request at a time once its time is over", () => {
    const { ejection, send } = fleet();
    send("a", 0, ...failures(5));
    expect(ejection.state("a", 10_000)).toEqual({ kind: "half_open", probe: undefined });
    expect(ejection.admits("a", 10_000)).toBe(true);
    ejection.sent("a", "probe", 10_000);
    expect(ejection.state("a", 10_001)).toEqual({ kind: "half_open", probe: "probe" });
    expect(ejection.admits("a", 10_001)).toBe(false);
  });

  it("comes back with the first byte of its probe's answer, and with a clean slate", () => {
    const { ejection, send } = fleet();
    send("a", 0, ...failures(5));
    ejection.sent("a", "probe", 10_000);
    ejection.firstToken("a", "other", 10_001);
    expect(ejection.admits("a", 10_001)).toBe(false);
    ejection.firstToken("a", "probe", 10_002);
    expect(ejection.state("a", 10_002)).toEqual({ kind: "healthy" });
    send("a", 10_003, ...failures(4));
    expect(ejection.admits("a", 10_003)).toBe(true);
  });

  it("is not judged by requests it had before", () => {
    const { ejection, send } = fleet();
    const early = failures(20).map((outcome, i) => ({
      request: { podId: "a", requestId: `e${i}`, sentAtMs: 0 },
      outcome,
    }));
    send("a", 1, ...failures(5));
    for (const { request, outcome } of early.slice(0, 10)) ejection.ended(request, outcome, 5_000);
    expect(ejection.state("a", 5_000)).toEqual({ kind: "ejected", untilMs: 10_001 });
    ejection.sent("a", "probe", 10_001);
    for (const { request } of early.slice(0, 5)) ejection.ended(request, "answered", 10_002);
    expect(ejection.state("a", 10_002).kind).toBe("half_open");
    ejection.firstToken("a", "probe", 10_003);
    for (const { request, outcome } of early.slice(10)) ejection.ended(request, outcome, 10_004);
    expect(ejection.admits("a", 10_004)).toBe(true);
  });

  it("stays out twice as long each time its probe fails, up to a bound", () => {
    const { ejection, send } = fleet({ mostEjectionMs: 60_000 });
    send("a", 0, ...failures(5));
    const lasted: number[] = [];
    for (let i = 0, nowMs = 0; i < 5; i++) {
      const state = ejection.state("a", nowMs);
      if (state.kind !== "ejected") throw new Error("should be out");
      lasted.push(state.untilMs - nowMs);
      nowMs = state.untilMs;
      send("a", nowMs, "server_error");
    }
    expect(lasted).toEqual([10_000, 20_000, 40_000, 60_000, 60_000]);
  });

  it("has its ejections forgotten one by one while it is healthy", () => {
    const { ejection, send } = fleet({ forgetMs: 60_000 });
    send("a", 0, ...failures(5));
    send("a", 10_000, "server_error");
    send("a", 30_000, "answered");
    expect(ejection.inspect(30_000)[0]).toMatchObject({ podId: "a", ejections: 2 });
    send("a", 95_000, ...failures(5));
    expect(ejection.state("a", 95_000)).toEqual({ kind: "ejected", untilMs: 95_000 + 20_000 });
  });

  it.each(["client_left", "rejected"] as const)("frees the slot of a probe that ends %s", (outcome) => {
    const { ejection, send } = fleet();
    send("a", 0, ...failures(5));
    send("a", 10_000, outcome);
    expect(ejection.state("a", 10_000)).toEqual({ kind: "half_open", probe: undefined });
    expect(ejection.admits("a", 10_000)).toBe(true);
  });

  it("does not wait for ever for a probe nobody hears of", () => {
    const { ejection, send } = fleet({ probeMs: 60_000 });
    send("a", 0, ...failures(5));
    ejection.sent("a", "lost", 10_000);
    expect(ejection.admits("a", 69_999)).toBe(false);
    expect(ejection.admits("a", 70_000)).toBe(true);
  });

  it("is a new pod after a restart", () => {
    const { ejection, send } = fleet();
    send("a", 0, ...failures(5));
    ejection.restarted("a", 100);
    expect(ejection.inspect(100)[0]).toEqual({ podId: "a", state: { kind: "healthy" }, ejections: 0 });
    for (let i = 0; i < 9; i++) ejection.ended({ podId: "a", requestId: `old${i}`, sentAtMs: 99 }, "truncated", 101);
    expect(ejection.admits("a", 101)).toBe(true);
  });
});

describe("of a model's pods", () => {
  it.each([
    [1, 0],
    [2, 1],
    [3, 1],
    [4, 2],
    [9, 4],
  ])("with %i of them at most %i are out", (count, most) => {
    const pods = Array.from({ length: count }, (_, i) => `pod${i}`);
    const { send, kinds } = fleet({}, pods);
    for (const pod of pods) send(pod, 0, ...failures(50));
    expect(kinds(0).filter((kind) => kind === "ejected")).toHaveLength(most);
  });

  it("one stays although all may be ejected", () => {
    const { send, kinds } = fleet({ mostEjectedShare: 1 });
    for (const pod of ["a", "b", "c", "d"]) send(pod, 0, ...failures(10));
    expect(kinds(0)).toEqual(["ejected", "ejected", "ejected", "healthy"]);
  });

  it("a failing one goes as soon as another is back", () => {
    const { ejection, send } = fleet({}, ["a", "b"]);
    send("a", 0, ...failures(5));
    send("b", 0, ...failures(5));
    expect(ejection.admits("b", 0)).toBe(true);
    send("a", 10_000, "answered");
    send("b", 10_001, "stalled");
    expect(ejection.admits("b", 10_001)).toBe(false);
  });

  it("the one soonest due comes back when there are fewer", () => {
    const { ejection, send, kinds } = fleet();
    send("b", 0, ...failures(5));
    send("a", 5_000, ...failures(5));
    ejection.setPods(["a", "b"], 6_000);
    expect(kinds(6_000)).toEqual(["ejected", "healthy"]);
  });

  it("those not reported are forgotten, and unknown ones are healthy", () => {
    const { ejection, send } = fleet();
    send("a", 0, ...failures(5));
    ejection.setPods(["b", "c", "d"], 1);
    expect(ejection.state("a", 1)).toEqual({ kind: "healthy" });
    ejection.setPods(["a", "b", "c", "d"], 2);
    expect(ejection.admits("a", 2)).toBe(true);
  });
});

describe("a checkpoint", () => {
  it("keeps ejections over a restart, whatever the clock says then", () => {
    const { ejection, send } = fleet();
    send("a", 0, ...failures(5));
    send("b", 0, ...failures(5));
    send("b", 10_000, "stalled");
    const saved = structuredClone(ejection.snapshot(15_000));
    const { ejection: next, kinds } = fleet();
    next.restore(saved, 1_000_000);
    expect(kinds(1_000_000)).toEqual(["half_open", "ejected", "healthy", "healthy"]);
    expect(next.state("b", 1_000_000)).toEqual({ kind: "ejected", untilMs: 1_015_000 });
    expect(next.admits("a", 1_000_000)).toBe(true);
  });

  it("puts no more pods out than may be", () => {
    const { ejection } = fleet({}, ["a", "b"]);
    const saved = ["a", "b", "gone"].map((podId, i) => ({ podId, remainingMs: 100 * (i + 1), ejections: 1 }));
    ejection.restore(saved, 0);
    expect(ejection.inspect(0).map(({ state }) => state.kind)).toEqual(["healthy", "ejected"]);
  });
});

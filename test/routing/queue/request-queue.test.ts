import { describe, expect, it } from "vitest";
import { asked, drainedIds, flatQueue } from "./queue-fixture.ts";

describe("the order of a queue", () => {
  it("is by priority first", () => {
    const queue = flatQueue();
    for (const priority of [0, 5, -3, 5]) queue.offer(asked(`${priority}/${queue.size}`, { priority }), 0);
    expect(drainedIds(queue, 1)).toEqual(["5/1", "5/3", "0/0", "-3/2"]);
  });

  it("within a key is by bounded stretch: the small pass the large, but not for ever", () => {
    const queue = flatQueue();
    const small = { promptTokens: 400 };
    queue.offer(asked("large", { promptTokens: 4_000 }), 0);
    queue.offer(asked("soon", { ...small, enqueuedAtMs: 1_700 }), 1_700);
    queue.offer(asked("late", { ...small, enqueuedAtMs: 1_900 }), 1_900);
    // 100 ms of work against 10 ms: the large one is passed by those that come within 20 * 90 ms.
    expect(drainedIds(queue, 2_000)).toEqual(["soon", "large", "late"]);
  });

  it("counts what is cached as no work", () => {
    const queue = flatQueue();
    queue.offer(asked("cold", { promptTokens: 2_000 }), 0);
    queue.offer(asked("warm", { promptTokens: 20_000, uncachedTokens: 100 }), 0);
    expect(drainedIds(queue, 0)).toEqual(["warm", "cold"]);
  });

  it("between keys is by tokens served: whoever has a hundred waiting delays others by one request", () => {
    const queue = flatQueue();
    for (let i = 0; i < 100; i++) queue.offer(asked(`heavy${i}`, { key: "heavy" }), 0);
    for (let i = 0; i < 3; i++) queue.offer(asked(`light${i}`, { key: "light" }), 0);
    expect(drainedIds(queue, 1).slice(0, 6).sort()).toEqual([
      "heavy0",
      "heavy1",
      "heavy2",
      "light0",
      "light1",
      "light2",
    ]);
  });

  it("has a key that begins to wait go first, once, before those that are served all the time", () => {
    const queue = flatQueue();
    for (let i = 0; i < 6; i++) queue.offer(asked(`heavy${i}`, { key: "heavy" }), 0);
    const served = [queue.next(1, () => true)?.id];
    for (const name of ["light0", "light1"]) queue.offer(asked(name, { key: "light" }), 2);
    served.push(...drainedIds(queue, 3).slice(0, 4));
    expect(served.slice(0, 2)).toEqual(["heavy0", "light0"]);
    expect(served.slice(2, 4).sort()).toEqual(["heavy1", "light1"]);
    // Coming back at once earns nothing.
    queue.offer(asked("light2", { key: "light" }), 4);
    queue.offer(asked("light3", { key: "light" }), 4);
    expect(drainedIds(queue, 5)).toEqual(["light2", "light3"]);
  });

  it("cannot be passed again and again by a key that leaves and comes back", () => {
    const queue = flatQueue();
    for (let i = 0; i < 40; i++) queue.offer(asked(`steady${i}`, { key: "steady" }), 0);
    const served: string[] = [];
    for (let i = 0; i < 40; i++) {
      if (!served.at(-1)?.startsWith("steady")) queue.offer(asked(`returning${i}`, { key: "returning" }), i);
      served.push(queue.next(i, () => true)?.id ?? "");
    }
    expect(served.filter((id) => id.startsWith("steady")).length).toBeGreaterThanOrEqual(19);
  });

  it("charges keys by tokens, not by requests", () => {
    const queue = flatQueue();
    for (let i = 0; i < 4; i++) queue.offer(asked(`long${i}`, { key: "long", promptTokens: 8_000 }), 0);
    for (let i = 0; i < 16; i++) queue.offer(asked(`short${i}`, { key: "short", promptTokens: 2_000 }), 0);
    const first10 = drainedIds(queue, 1).slice(0, 10);
    expect(first10.filter((id) => id.startsWith("long"))).toHaveLength(2);
  });

  it("serves a key with three times the weight three times as much", () => {
    const queue = flatQueue({ weightOf: (key) => (key === "gold" ? 3 : 1) });
    for (let i = 0; i < 40; i++) {
      queue.offer(asked(`gold${i}`, { key: "gold" }), 0);
      queue.offer(asked(`iron${i}`, { key: "iron" }), 0);
    }
    const gold = drainedIds(queue, 1)
      .slice(0, 40)
      .filter((id) => id.startsWith("gold"));
    expect(gold).toHaveLength(30);
  });

  it("gives no credit for time spent idle", () => {
    const queue = flatQueue();
    queue.offer(asked("a0", { key: "a" }), 0);
    drainedIds(queue, 0);
    for (let i = 0; i < 50; i++) queue.offer(asked(`b${i}`, { key: "b" }), 1);
    for (let i = 0; i < 40; i++) queue.next(2, () => true);
    for (let i = 0; i < 10; i++) queue.offer(asked(`a${i}`, { key: "a" }), 3);
    const first6 = drainedIds(queue, 4).slice(0, 6);
    expect(first6.filter((id) => id.startsWith("b")).length).toBeGreaterThanOrEqual(3);
  });

  it("gives a new key no credit for what others were served before it came", () => {
    const queue = flatQueue();
    for (let i = 0; i < 50; i++) {
      queue.offer(asked(`early${i}`, { key: "a" }), i);
      queue.next(i, () => true);
    }
    for (let i = 0; i < 10; i++) queue.offer(asked(`b${i}`, { key: "b" }), 100);
    for (let i = 0; i < 10; i++) queue.offer(asked(`a${i}`, { key: "a" }), 100);
    const first6 = drainedIds(queue, 101).slice(0, 6);
    expect(first6.filter((id) => id.startsWith("a")).length).toBeGreaterThanOrEqual(2);
  });

  it("gives nothing for leaving and coming back either", () => {
    const queue = flatQueue();
    for (let i = 0; i < 3; i++) {
      queue.offer(asked(`a${i}`, { key: "a" }), 0);
      queue.offer(asked(`b${i}`, { key: "b" }), 0);
    }
    queue.next(1, ({ key }) => key === "a");
    queue.next(1, ({ key }) => key === "a");
    queue.remove("a2");
    queue.offer(asked("a3", { key: "a" }), 2);
    expect(drainedIds(queue, 3).slice(0, 2)).toEqual(["b0", "b1"]);
  });

  it("follows what answers really took", () => {
    const queue = flatQueue();
    const a = asked("a0", { key: "a" });
    queue.offer(a, 0);
    queue.offer(asked("b0", { key: "b" }), 0);
    expect(drainedIds(queue, 0)).toHaveLength(2);
    for (let i = 1; i <= 6; i++) {
      queue.offer(asked(`a${i}`, { key: "a" }), 1);
      queue.offer(asked(`b${i}`, { key: "b" }), 1);
    }
    queue.settle(a, { promptTokens: 1_000, outputTokens: 5_000 });
    expect(drainedIds(queue, 2).slice(0, 4)).toEqual(["b1", "b2", "b3", "b4"]);
  });

  it("lets who has almost no time left go first", () => {
    const queue = flatQueue({ lastCallShare: 0.05 });
    queue.offer(asked("urgent", { promptTokens: 4_000, deadlineAtMs: 2_000 }), 0);
    for (const name of ["soon0", "soon1"]) queue.offer(asked(name, { promptTokens: 400, enqueuedAtMs: 1 }), 1);
    expect(queue.next(1_899, () => true)?.id).toBe("soon0");
    expect(queue.next(1_900, () => true)?.id).toBe("urgent");
  });

  it("has such a request pass keys that have as much waiting, but was served less by no more than four like it", () => {
    const queue = flatQueue({ lastCallShare: 0.05 });
    for (let i = 0; i < 7; i++) queue.offer(asked(`late${i}`, { key: "late", deadlineAtMs: 8_000 }), 0);
    for (let i = 0; i < 7; i++) queue.offer(asked(`other${i}`, { key: "other" }), 0);
    const order = drainedIds(queue, 7_950);
    expect(order.slice(0, 5)).toEqual(["late0", "late1", "late2", "late3", "late4"]);
    expect(order[5]).toBe("other0");
  });

  it("lets no such request delay a key that has little waiting", () => {
    const queue = flatQueue({ lastCallShare: 0.05 });
    for (let i = 0; i < 6; i++) queue.offer(asked(`heavy${i}`, { key: "heavy", deadlineAtMs: 8_000 }), 0);
    queue.next(1, () => true);
    queue.offer(asked("light", { key: "light" }), 7_940);
    expect(queue.next(7_950, () => true)?.id).toBe("light");
  });

  it("tells how many go before a request", () => {
    const queue = flatQueue();
    queue.offer(asked("a0", { key: "a" }), 0);
    queue.offer(asked("a1", { key: "a" }), 0);
    queue.offer(asked("b0", { key: "b" }), 0);
    queue.offer(asked("urgent", { priority: 1 }), 0);
    expect(["urgent", "a0", "b0", "a1", "gone"].map((id) => queue.aheadOf(id))).toEqual([0, 1, 2, 3, undefined]);
  });
});

describe("placing", () => {
  it("passes over what no pod can take now and keeps its turn", () => {
    const queue = flatQueue();
    queue.offer(asked("giant", { enqueuedAtMs: 0, promptTokens: 4_000, uncachedTokens: 0 }), 0);
    queue.offer(asked("small", { enqueuedAtMs: 1 }), 1);
    expect(queue.next(2, ({ promptTokens }) => promptTokens < 2_000)?.id).toBe("small");
    expect(queue.next(3, () => true)?.id).toBe("giant");
    expect(queue.next(4, () => true)).toBeUndefined();
  });

  it("asks in order, and for no more than the bound", () => {
    const queue = flatQueue({ mostTried: 3 });
    for (let i = 0; i < 5; i++) queue.offer(asked(`r${i}`, { enqueuedAtMs: i }), i);
    const tried: string[] = [];
    expect(queue.next(5, ({ id }) => tried.push(id) < 0)).toBeUndefined();
    expect(tried).toEqual(["r0", "r1", "r2"]);
  });

  it("reaches every key although one has nothing but requests that find no place", () => {
    const queue = flatQueue({ mostTried: 8 });
    queue.offer(asked("b", { key: "b" }), 0);
    queue.next(0, () => true);
    for (let i = 0; i < 100; i++) queue.offer(asked(`stuck${i}`, { key: "stuck", promptTokens: 10 }), 1);
    for (const key of ["b", "c", "d"]) queue.offer(asked(key, { key }), 1);
    const free = (request: { key: string }) => request.key !== "stuck";
    expect([queue.next(2, free)?.id, queue.next(2, free)?.id, queue.next(2, free)?.id].sort()).toEqual(["b", "c", "d"]);
  });

  it("never places a request whose deadline has come", () => {
    const queue = flatQueue();
    queue.offer(asked("late", { deadlineAtMs: 100 }), 0);
    expect(queue.next(100, () => true)).toBeUndefined();
    expect(queue.expire(99)).toEqual([]);
    expect(queue.expire(100).map(({ id }) => id)).toEqual(["late"]);
    expect(queue.size).toBe(0);
  });
});

describe("admission", () => {
  it("refuses a request id that is waiting already", () => {
    const queue = flatQueue();
    queue.offer(asked("r"), 0);
    expect(() => queue.offer(asked("r"), 0)).toThrow("r is waiting already");
  });

  it("tells the wait it foresees: the work ahead at the pace of the queue", () => {
    const queue = flatQueue();
    expect(queue.offer(asked("first"), 0)).toEqual({ ok: true, waitMs: 0 });
    expect(queue.offer(asked("second"), 0)).toEqual({ ok: true, waitMs: 100 });
    expect(queue.offer(asked("above", { priority: 1 }), 0)).toEqual({ ok: true, waitMs: 0 });
    expect(queue.offer(asked("below", { priority: -1 }), 0)).toEqual({ ok: true, waitMs: 300 });
  });

  it("foresees that a light key does not wait for all of a heavy one", () => {
    const queue = flatQueue();
    for (let i = 0; i < 100; i++) queue.offer(asked(`heavy${i}`, { key: "heavy" }), 0);
    expect(queue.offer(asked("light0", { key: "light" }), 0)).toEqual({ ok: true, waitMs: 0 });
    expect(queue.offer(asked("light1", { key: "light" }), 0)).toEqual({ ok: true, waitMs: 200 });
  });

  it("refuses what would still wait at its deadline", () => {
    const queue = flatQueue({ waitMargin: 1 });
    for (let i = 0; i < 20; i++) queue.offer(asked(`r${i}`), 0);
    expect(queue.offer(asked("patient", { deadlineAtMs: 2_001 }), 0).ok).toBe(true);
    expect(queue.offer(asked("hasty", { deadlineAtMs: 1_000 }), 0)).toMatchObject({
      ok: false,
      reason: "deadline_unmeetable",
      waitMs: 2_100,
      retryAfterMs: 1_100,
    });
    expect(queue.offer(asked("overdue", { enqueuedAtMs: -10, deadlineAtMs: 0 }), 0).ok).toBe(false);
  });

  it("refuses what would have its first token later than asked for, its own prefill and the time spent included", () => {
    const queue = flatQueue({ waitMargin: 1 });
    for (let i = 0; i < 10; i++) queue.offer(asked(`r${i}`, { enqueuedAtMs: -100 }), 0);
    // 1,000 ms of waiting and 25 ms of prefill.
    expect(queue.offer(asked("met", { sloTtftMs: 1_025 }), 0).ok).toBe(true);
    queue.remove("met");
    expect(queue.offer(asked("late", { sloTtftMs: 1_024 }), 0)).toMatchObject({ ok: false, reason: "slo_unmeetable" });
    expect(queue.offer(asked("old", { sloTtftMs: 1_030, enqueuedAtMs: -10 }), 0)).toMatchObject({
      ok: false,
      reason: "slo_unmeetable",
    });
  });

  it("holds its bound, and leaves room for keys that come later", () => {
    const queue = flatQueue({ mostWaiting: 50, shareOfFree: 4 });
    for (let i = 0; i < 100; i++) queue.offer(asked(`heavy${i}`, { key: "heavy" }), 0);
    expect(queue.size).toBe(41);
    for (let i = 0; i < 100; i++) queue.offer(asked(`other${i}`, { key: `key${i}` }), 0);
    expect(queue.size).toBe(50);
    expect(queue.offer(asked("more", { key: "more" }), 0)).toMatchObject({ ok: false, reason: "queue_full" });
  });

  it("bounds the prompt tokens it holds too, but takes any prompt when nobody waits", () => {
    const queue = flatQueue({ mostPromptTokens: 10_000 });
    expect(queue.offer(asked("giant", { promptTokens: 50_000 }), 0).ok).toBe(true);
    expect(queue.offer(asked("small", { key: "b", promptTokens: 1 }), 0)).toMatchObject({ reason: "queue_full" });
    queue.remove("giant");
    expect(queue.offer(asked("small", { key: "b", promptTokens: 1 }), 0).ok).toBe(true);
  });

  it("tells a refused client that comes back too early the same time again", () => {
    const queue = flatQueue({ mostWaiting: 10 });
    for (let i = 0; i < 20; i++) queue.offer(asked(`r${i}`, { key: `key${i % 10}` }), 0);
    const refused = queue.offer(asked("again"), 0);
    const early = queue.offer(asked("again"), 50);
    if (refused.ok || early.ok) throw new Error("there should be no room");
    expect(refused.retryAfterMs).toBeGreaterThan(1_000);
    expect(early.retryAfterMs).toBe(refused.retryAfterMs - 50);
  });
});

describe("the time to come back", () => {
  it("is not put off by what others would have to wait for", () => {
    const queue = flatQueue({ mostWaiting: 100, shareOfFree: 1_000_000, waitMargin: 1 });
    for (let i = 0; i < 100; i++) queue.offer(asked(`r${i}`, { key: `key${i % 10}` }), 0);
    queue.remove("r0");
    const hasty = queue.offer(asked("hasty", { key: "low", priority: -1, deadlineAtMs: 100 }), 0);
    expect(hasty).toMatchObject({ reason: "deadline_unmeetable", retryAfterMs: 9_800 });
    queue.offer(asked("r0", { key: "key0" }), 0);
    const full = queue.offer(asked("full"), 0);
    expect(full).toMatchObject({ reason: "queue_full", retryAfterMs: 100 });
  });

  it("is given out at the pace of the key, not of all keys together", () => {
    const queue = flatQueue({ mostWaiting: 20, shareOfFree: 1_000_000, promisedShare: 1, heldAheadMs: 0 });
    for (let i = 0; i < 20; i++) queue.offer(asked(`r${i}`, { key: i < 10 ? "a" : "b" }), 0);
    const retries = ["a", "a", "b"].map((key, i) => queue.offer(asked(`again${i}`, { key }), 0));
    expect(retries).toMatchObject([{ retryAfterMs: 100 }, { retryAfterMs: 300 }, { retryAfterMs: 200 }]);
  });

  it("is when the wait will be short enough for a TTFT objective, without room held for it", () => {
    const queue = flatQueue({ waitMargin: 1 });
    for (let i = 0; i < 10; i++) queue.offer(asked(`r${i}`), 0);
    const late = asked("late", { enqueuedAtMs: 10_000, deadlineAtMs: 1_000_000, sloTtftMs: 525 });
    expect(queue.offer(late, 10_000)).toMatchObject({ reason: "slo_unmeetable" });
    expect(queue.inspect(10_000).promises).toBe(0);
  });

  it("is held for one that waited in vain too, behind those that were told before it", () => {
    const queue = flatQueue({ mostWaiting: 5, shareOfFree: 1_000_000, promisedShare: 1 });
    const late = asked("late", { deadlineAtMs: 1_000 });
    queue.offer(late, 0);
    for (let i = 0; i < 4; i++) queue.offer(asked(`r${i}`), 0);
    const told = queue.offer(asked("told"), 999);
    expect(queue.expire(1_000)).toEqual([late]);
    expect(told).toMatchObject({ ok: false });
    expect(queue.inspect(1_000).promises).toBe(1);
    expect(queue.comeBackInMs(late, 1_000)).toBeGreaterThanOrEqual(100);
    expect(queue.inspect(1_000).promises).toBe(2);
  });

  it("is never later than the bound", () => {
    const queue = flatQueue({ mostRetryAfterMs: 5_000 });
    for (let i = 0; i < 200; i++) queue.offer(asked(`r${i}`), 0);
    expect(queue.offer(asked("hasty", { deadlineAtMs: 10 }), 0)).toMatchObject({ retryAfterMs: 5_000 });
    expect(queue.inspect(0).promises).toBe(0);
  });
});

describe("figures", () => {
  it("tell the same pace after the last client has left, or been sent away, as before", () => {
    const queue = flatQueue();
    queue.offer(asked("leaves"), 0);
    queue.remove("leaves");
    expect(queue.inspect(60_000).tokensPerMs).toBe(10);
    queue.offer(asked("overdue", { enqueuedAtMs: 60_000, deadlineAtMs: 60_001 }), 60_000);
    queue.expire(60_001);
    expect(queue.inspect(120_000).tokensPerMs).toBe(10);
  });

  it("tell what waits at each priority and what became of the rest", () => {
    const queue = flatQueue({ mostWaiting: 3 });
    queue.offer(asked("a", { key: "a" }), 0);
    queue.offer(asked("b", { key: "b", enqueuedAtMs: 10, deadlineAtMs: 500 }), 10);
    queue.offer(asked("c", { key: "c", priority: 2, enqueuedAtMs: 20 }), 20);
    queue.offer(asked("d", { key: "d" }), 30);
    queue.remove("a");
    queue.offer(asked("e", { enqueuedAtMs: 40 }), 40);
    queue.next(50, () => true);
    queue.expire(500);
    expect(queue.inspect(540)).toMatchObject({
      accepted: 4,
      placed: 1,
      removed: 1,
      expired: 1,
      refused: { queue_full: 1, deadline_unmeetable: 0, slo_unmeetable: 0 },
      waiting: 1,
      promptTokens: 1_000,
      workTokens: 1_000,
      promises: 1,
      priorities: [{ priority: 0, waiting: 1, keys: 1, oldestMs: 500 }],
    });
  });
});

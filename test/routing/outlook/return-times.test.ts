import { describe, expect, it } from "vitest";
import { type PausingSession, ReturnTimes } from "../../../src/routing/outlook/return-times.ts";

function ended(times: ReturnTimes, turns: number, nowMs: number): PausingSession {
  const session = { turns, idleSinceMs: nowMs };
  times.turnEnded(session, nowMs);
  return session;
}

function back(times: ReturnTimes, session: PausingSession, nowMs: number): void {
  times.returned(session, nowMs);
  session.idleSinceMs = undefined;
}

/** A table that has seen sessions of many turns return after `pauseMs`. */
function watched(pauseMs: number): ReturnTimes {
  const times = new ReturnTimes();
  for (let i = 0; i < 300; i++) back(times, ended(times, 9, 2 * pauseMs * i), 2 * pauseMs * i + pauseMs);
  return times;
}

describe("ReturnTimes", () => {
  it("expects a return where returns were seen, and hardly one where none was", () => {
    const times = watched(10_000);
    const session = { turns: 9, idleSinceMs: 1e7 };
    expect(times.chance(session, 2_000, 1e7)).toBeLessThan(0.3);
    expect(times.chance(session, 12_000, 1e7)).toBeGreaterThan(0.4);
  });

  it("grows with the time that is looked ahead", () => {
    const times = watched(10_000);
    const session = { turns: 9, idleSinceMs: 0 };
    const chances = [0, 500, 5_000, 50_000, 500_000].map((ms) => times.chance(session, ms, 0));
    expect(chances).toEqual(chances.toSorted((a, b) => a - b));
    expect(chances[0]).toBe(0);
    expect(chances.at(-1)).toBeLessThanOrEqual(1);
  });

  it("counts sessions that never come back", () => {
    const all = new ReturnTimes();
    const half = new ReturnTimes();
    for (let i = 0; i < 200; i++) {
      const session = ended(all, 9, 100 * i);
      back(all, session, 100 * i + 3_000);
      const other = ended(half, 9, 100 * i);
      if (i % 2 === 0) back(half, other, 100 * i + 3_000);
    }
    ended(half, 9, 1e7);
    ended(all, 9, 1e7);
    const fresh = { turns: 9, idleSinceMs: 1e7 };
    expect(half.chance(fresh, 4_000, 1e7)).toBeLessThan(all.chance(fresh, 4_000, 1e7) - 0.2);
  });

  it("keeps first turns, early turns and later turns apart", () => {
    const times = new ReturnTimes();
    for (let i = 0; i < 300; i++) back(times, ended(times, 9, 10 * i), 10 * i + 600);
    const later = { turns: 9, idleSinceMs: 1e6 };
    const first = { turns: 1, idleSinceMs: 1e6 };
    expect(times.chance(later, 1_000, 1e6)).toBeGreaterThan(0.8);
    expect(times.chance(first, 1_000, 1e6)).toBeLessThan(0.5);
  });

  it("is sure of a session that has a turn under way", () => {
    expect(new ReturnTimes().chance({ turns: 3, idleSinceMs: undefined }, 1, 0)).toBe(1);
  });
});

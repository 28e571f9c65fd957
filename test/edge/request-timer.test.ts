import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RequestTimer } from "../../src/edge/request-timer.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("RequestTimer", () => {
  it("calls each phase once at its time, in any order of setting, also one set by another", () => {
    const timer = new RequestTimer();
    const called: string[] = [];
    timer.set("total", 300, () => called.push("total"));
    timer.set("connect", 100, () => {
      called.push("connect");
      timer.set("comment", 50, () => called.push("comment"));
    });
    vi.advanceTimersByTime(99);
    expect(called).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(called).toEqual(["connect"]);
    vi.advanceTimersByTime(500);
    expect(called).toEqual(["connect", "comment", "total"]);
  });

  it("forgets a phase that is cleared, and the earlier time of one that is set again", () => {
    const timer = new RequestTimer();
    const called: string[] = [];
    timer.set("connect", 100, () => called.push("connect"));
    timer.set("idle", 100, () => called.push("idle, first"));
    timer.set("idle", 200, () => called.push("idle"));
    timer.clear("connect");
    vi.advanceTimersByTime(199);
    expect(called).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(called).toEqual(["idle"]);
  });

  it("never has more than one timer of the runtime, and none after stop", () => {
    const timer = new RequestTimer();
    const called: string[] = [];
    timer.set("route", 30, () => called.push("route"));
    timer.set("renew", 50, () => called.push("renew"));
    timer.set("total", 10, () => called.push("total"));
    expect(vi.getTimerCount()).toBe(1);
    timer.stop();
    timer.set("idle", 10, () => called.push("idle"));
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(100);
    expect(called).toEqual([]);
  });
});

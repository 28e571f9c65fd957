import { describe, expect, it } from "vitest";
import { RetryCalendar } from "../../../src/routing/queue/retry-calendar.ts";
import { RetryPromises } from "../../../src/routing/queue/retry-promises.ts";

const limits = { heldAheadMs: 1_000, heldAfterMs: 3_000, mostPromises: 100 };
const asked = (fingerprint: string, key = "a") => ({ fingerprint, key, priority: 0, workTokens: 500 });

describe("retry promises", () => {
  it("hold room from shortly before their time until shortly after", () => {
    const promises = new RetryPromises(limits);
    promises.promise(asked("r"), 10_000, 100);
    const heldAt = (nowMs: number) => {
      promises.advance(nowMs);
      return promises.isDue("r") ? promises.heldFor(0, "a") : undefined;
    };
    expect(heldAt(8_999)).toBeUndefined();
    expect(heldAt(9_000)).toEqual({ requests: 1, workTokens: 500 });
    expect(heldAt(13_000)).toEqual({ requests: 1, workTokens: 500 });
    expect(promises.heldFor(0, "b").requests + promises.heldFor(1, "a").requests).toBe(0);
    expect(heldAt(13_001)).toBeUndefined();
    expect([promises.size, promises.held, promises.promisedTo(0, "a").requests]).toEqual([0, 0, 0]);
  });

  it("hold nothing more once they are kept, be it early", () => {
    const promises = new RetryPromises(limits);
    promises.promise(asked("early"), 10_000, 100);
    promises.promise(asked("due"), 1_000, 100);
    promises.advance(500);
    expect(promises.promisedTo(0, "a")).toEqual({ requests: 2, workTokens: 1_000 });
    promises.keep("early");
    promises.keep("due");
    promises.keep("unknown");
    expect([promises.size, promises.held, promises.heldFor(0, "a").requests]).toEqual([0, 0, 0]);
    promises.advance(10_000);
    expect(promises.held).toBe(0);
  });

  it("are bounded in number", () => {
    const promises = new RetryPromises({ ...limits, mostPromises: 2 });
    for (const name of ["a", "b", "c"]) promises.promise(asked(name), 5_000, 1);
    expect([promises.size, promises.dueAtMs("c")]).toEqual([2, undefined]);
  });
});

describe("retry calendar", () => {
  it("gives times out one after the other", () => {
    const calendar = new RetryCalendar();
    const given = [0, 0, 0, 0].map((earliestMs) => {
      const atMs = calendar.freeFrom(earliestMs);
      calendar.book(atMs, 400);
      return atMs;
    });
    expect(given).toEqual([0, 400, 800, 1_200]);
  });

  it("leaves what comes before a late one to others", () => {
    const calendar = new RetryCalendar();
    calendar.book(250_000, 2_500);
    expect(calendar.freeFrom(1_000)).toBe(1_000);
    expect(calendar.freeFrom(250_000)).toBe(252_500);
  });

  it("forgets what is over", () => {
    const calendar = new RetryCalendar();
    calendar.book(0, 5_000);
    calendar.advance(3_000);
    expect([calendar.freeFrom(0), calendar.freeFrom(3_000)]).toEqual([0, 5_000]);
  });
});

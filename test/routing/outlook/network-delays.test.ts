import { describe, expect, it } from "vitest";
import { NetworkDelays } from "../../../src/routing/outlook/network-delays.ts";
import { seededRandom } from "../../../src/routing/random.ts";

describe("NetworkDelays", () => {
  it("finds what the way takes among waits of other kinds", () => {
    const delays = new NetworkDelays();
    const random = seededRandom(1);
    for (let i = 0; i < 2_000; i++) {
      for (const [cluster, wayMs] of [
        ["near", 4],
        ["far", 150],
      ] as const) {
        // A step under way, and now and then a queue.
        const otherMs = 20 * random() + (random() < 0.1 ? 2_000 : 0);
        delays.observe("AMS", cluster, wayMs + 30 + otherMs, 30);
      }
    }
    const known = delays.from("AMS");
    expect(known.get("far") ?? 0).toBeGreaterThan(145);
    expect(known.get("far") ?? 0).toBeLessThan(165);
    expect(known.get("near") ?? 0).toBeLessThan(20);
  });

  it("knows nothing of places it has not heard from, and keeps a bounded number of them", () => {
    const delays = new NetworkDelays();
    for (let i = 0; i < 6_000; i++) delays.observe(`place-${i}`, "c", 100, 0);
    expect(delays.from("elsewhere").size).toBe(0);
    expect(delays.from("place-0").size).toBe(0);
    expect(delays.from("place-5999").size).toBe(1);
  });

  it("is not moved by one absurd wait, and forgets a long way once a short one was seen", () => {
    const delays = new NetworkDelays();
    for (let i = 0; i < 500; i++) delays.observe("", "c", 100, 0);
    const before = delays.from("").get("c") ?? 0;
    delays.observe("", "c", 1e9, 0);
    expect(delays.from("").get("c")).toBeLessThan(1.2 * before);
    for (let i = 0; i < 20; i++) delays.observe("", "c", 10, 0);
    expect(delays.from("").get("c")).toBeLessThan(12);
    delays.observe("", "c", Number.NaN, 0);
    expect(delays.from("").get("c")).toBeLessThan(12);
  });
});

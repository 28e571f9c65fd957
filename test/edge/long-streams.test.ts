import { afterEach, describe, expect, it, vi } from "vitest";
import { edgeUnderTest, playedStream } from "./edge-under-test.ts";

const HOUR_MS = 3_600_000;
const STEP_MS = 5_000;
const event = 'data: {"choices":[]}\n\n';

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Lets the runtime's own work get done, which no clock of this test moves: calls to the router and back. */
async function settle(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  realTimeout(resolve, 0);
  await promise;
}
const realTimeout = setTimeout;

async function streamFor(limits: object) {
  const edge = await edgeUnderTest(limits);
  await edge.report("a");
  const stream = playedStream();
  edge.pods.set("a", (_request, path) => (path === "/health" ? new Response() : stream.response));
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  stream.write(event);
  const answer = await edge.chat({ stream: true });
  const text = answer.text();
  /** Time goes by, with a token every half minute. Returns the leases that were open at each step. */
  const goOn = async (forMs: number): Promise<Set<number>> => {
    const seen = new Set<number>();
    for (let passedMs = 0; passedMs < forMs; passedMs += STEP_MS) {
      await vi.advanceTimersByTimeAsync(STEP_MS);
      await settle();
      if (passedMs % (6 * STEP_MS) === 0) {
        stream.write(event);
        await edge.report("a");
      }
      seen.add((await edge.router().inspect()).leases);
    }
    return seen;
  };
  return { edge, stream, text, goOn };
}

describe("a stream of an hour", () => {
  it("keeps its lease by renewal, and gives it back at its end", { timeout: 60_000 }, async () => {
    const { edge, stream, text, goOn } = await streamFor({ totalMs: 2 * HOUR_MS });
    expect(await goOn(HOUR_MS)).toEqual(new Set([1]));
    stream.end();
    expect((await text).endsWith(event)).toBe(true);
    await vi.waitFor(async () => expect(await edge.router().inspect()).toMatchObject({ leases: 0, leasesFallen: 0 }));
  });

  it("is over by default, and is told so", { timeout: 60_000 }, async () => {
    const { edge, text, goOn } = await streamFor({});
    await goOn(HOUR_MS + 2 * STEP_MS);
    expect(await text).toMatch(/"code":"deadline_exceeded"\}\}\n\n$/);
    await vi.waitFor(async () => expect(await edge.router().inspect()).toMatchObject({ leases: 0, leasesFallen: 0 }));
  });
});

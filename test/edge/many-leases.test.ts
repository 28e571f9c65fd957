import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type EdgeUnderTest, edgeUnderTest, playedStream } from "./edge-under-test.ts";

const STREAMS = 1_000;
const PODS = ["a", "b", "c", "d"];
const event = 'data: {"choices":[]}\n\n';

afterEach(() => vi.unstubAllGlobals());

/** What a pod has in flight by its own count, and by the router's. */
async function counts(edge: EdgeUnderTest) {
  const { leases, leasesFallen, pods } = await edge.router().inspect();
  return { leases, leasesFallen, inFlight: pods.map(({ inFlight }) => inFlight) };
}

describe("a thousand open leases outlive a reset of their router", () => {
  it.each([
    ["by a deploy", async () => abortAllDurableObjects()],
    [
      "by an exception",
      async (edge: EdgeUnderTest) => {
        const broken = runInDurableObject(edge.router(), (_instance, state) =>
          state.blockConcurrencyWhile(async () => {
            throw new Error("a fault in the object");
          }),
        );
        await expect(broken).rejects.toThrow();
      },
    ],
  ])("%s", { timeout: 90_000 }, async (_how, reset) => {
    const edge = await edgeUnderTest({}, { queue: { enabled: false } });
    await edge.report(...PODS);
    await runDurableObjectAlarm(edge.router());
    const streams: ReturnType<typeof playedStream>[] = [];
    const begun = Object.fromEntries(PODS.map((name) => [name, 0]));
    for (const name of PODS) {
      edge.pods.set(name, () => {
        const stream = playedStream();
        stream.write(event);
        streams.push(stream);
        begun[name] = (begun[name] ?? 0) + 1;
        return stream.response;
      });
    }
    const answers = await Promise.all(Array.from({ length: STREAMS }, () => edge.chat({ stream: true })));
    const texts = answers.map((answer) => answer.text());
    const all = { leases: STREAMS, leasesFallen: 0, inFlight: PODS.map((name) => begun[name]) };
    expect(await counts(edge)).toEqual(all);

    await reset(edge);
    const resetMs = Date.now();
    await vi.waitFor(async () => expect(await counts(edge)).toEqual(all), { timeout: 20_000, interval: 100 });
    expect(Date.now() - resetMs).toBeLessThan(20_000);

    for (const stream of streams) stream.end();
    expect((await Promise.all(texts)).every((text) => text === event)).toBe(true);
    await edge.settled();
    await vi.waitFor(
      async () => expect(await counts(edge)).toEqual({ ...all, leases: 0, inFlight: [0, 0, 0, 0] }),
      20_000,
    );
  });
});

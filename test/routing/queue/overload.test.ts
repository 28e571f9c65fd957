import { describe, expect, it } from "vitest";
import { type QueueSettings, queueSettings } from "../../../src/routing/queue/queue-settings.ts";
import { RequestQueue } from "../../../src/routing/queue/request-queue.ts";
import { workCostAt } from "../../../src/routing/queue/stretch-order.ts";
import { seededRandom } from "../../../src/routing/random.ts";
import { arrivals, type ClientRequest, quantile, type Sending, simulateFleet } from "./simulated-fleet.ts";

const SLOTS = 8;
const PREFILL_TOKENS_PER_MS = 40;
/** A request like `chat` takes 1,000 ms, so the fleet serves 8 a second. */
const CAPACITY_PER_S = SLOTS;
const serviceMs = ({ promptTokens, outputTokens }: ClientRequest) =>
  promptTokens / PREFILL_TOKENS_PER_MS + 4.5 * outputTokens;
const chat = { key: "a", priority: 0, promptTokens: 4_000, outputTokens: 200, patienceMs: 1_000_000 };
const MINUTE_MS = 60_000;

function run(
  seed: number,
  clientsOf: (random: () => number) => ClientRequest[],
  { attempts = 1, ...changes }: Partial<QueueSettings> & { attempts?: number } = {},
): Sending[] {
  const random = seededRandom(seed);
  const clients = clientsOf(random).sort((a, b) => a.atMs - b.atMs);
  const queue = new RequestQueue<Sending>(
    queueSettings({ workCost: () => workCostAt(PREFILL_TOKENS_PER_MS), mostWaiting: 64, ...changes }),
  );
  const sendings = simulateFleet({ queue, slots: SLOTS, clients, serviceMs, random, attempts });
  expect(queue.size).toBe(0);
  return sendings;
}

/** The same requests, with lengths spread over a factor of 3.3 for prompts and 2.1 for answers. */
function spread(clients: readonly ClientRequest[], random: () => number): ClientRequest[] {
  return clients.map((client) => ({
    ...client,
    promptTokens: Math.round(client.promptTokens * Math.exp(1.2 * (random() - 0.5))),
    outputTokens: Math.round(client.outputTokens * Math.exp(0.75 * (random() - 0.5))),
  }));
}

const admitted = ({ outcome }: Sending) => outcome === "placed" || outcome === "expired";
const shareOf = (sendings: readonly Sending[], holds: (sending: Sending) => boolean) =>
  sendings.filter(holds).length / sendings.length;
const twiceCapacity = { perSecond: 2 * CAPACITY_PER_S, untilMs: MINUTE_MS };

describe.each([1, 2, 3])("an overload of twice the capacity for a minute (seed %i)", (seed) => {
  describe.each([
    ["one key", ["a"]],
    ["ten keys", [..."abcdefghij"]],
  ])("by %s", (_, keys) => {
    const clientsOf = (patienceMs: number) => (random: () => number) =>
      keys.flatMap((key) => {
        const like = { ...chat, key, patienceMs };
        return spread(
          arrivals(like, { ...twiceCapacity, perSecond: twiceCapacity.perSecond / keys.length }, random),
          random,
        );
      });

    it("admits at least 90 % of those that the queue refused for room and that come back when told", () => {
      const retries = run(seed, clientsOf(1_000_000), { attempts: 2 }).filter(({ attempt }) => attempt > 1);
      expect(retries.length).toBeGreaterThan(300);
      expect(shareOf(retries, admitted)).toBeGreaterThanOrEqual(0.9);
    });

    it("admits at least 90 % of those that it refused for their deadline too, and serves most of them in time", () => {
      const sendings = run(seed, clientsOf(10_000), { attempts: 2, mostWaiting: 1_024 });
      const retries = sendings.filter(({ attempt }) => attempt > 1);
      expect(retries.length).toBeGreaterThan(300);
      expect(shareOf(retries, admitted)).toBeGreaterThanOrEqual(0.9);
      expect(shareOf(sendings.filter(admitted), ({ outcome }) => outcome === "placed")).toBeGreaterThanOrEqual(0.97);
    });
  });

  it.each([
    ["with room for many and patience", 64, 1_000_000],
    ["with room for few", 16, 1_000_000],
    ["with little patience", 1_024, 3_000],
  ])("keeps the pods busy although nobody who was refused comes back, %s", (_, mostWaiting, patienceMs) => {
    const clientsOf = (random: () => number) =>
      spread(arrivals({ ...chat, patienceMs }, twiceCapacity, random), random);
    const servedMs = run(seed, clientsOf, { mostWaiting })
      .filter(({ outcome, sentAtMs, waitMs }) => outcome === "placed" && sentAtMs + waitMs < MINUTE_MS)
      .reduce((sum, { client }) => sum + serviceMs(client), 0);
    expect(servedMs / (SLOTS * MINUTE_MS)).toBeGreaterThan(0.97);
  });
});

describe.each([1, 2, 3])("a heavy key at twice the capacity (seed %i)", (seed) => {
  const light = { ...chat, key: "light" };
  const lightClients = (random: () => number) => arrivals(light, { perSecond: 0.4, untilMs: 3 * MINUTE_MS }, random);
  const heavyClients = (random: () => number) =>
    arrivals({ ...chat, key: "heavy" }, { perSecond: 2 * CAPACITY_PER_S, untilMs: 3 * MINUTE_MS }, random);
  const answeredMs = (sendings: readonly Sending[]) =>
    sendings.filter(({ client }) => client.key === "light").map(({ waitMs, client }) => waitMs + serviceMs(client));

  it("neither delays a light one beyond twice its idle time nor gets it refused", () => {
    const idle = answeredMs(run(seed, lightClients));
    const sendings = run(seed, (random) => [...lightClients(random), ...heavyClients(random)]);
    const loaded = sendings.filter(({ client }) => client.key === "light");
    expect(loaded.length).toBe(idle.length);
    expect(shareOf(loaded, ({ outcome }) => outcome === "placed")).toBe(1);
    expect(quantile(answeredMs(loaded), 0.99)).toBeLessThanOrEqual(2 * quantile(idle, 0.99));
  });

  it("gets what the light one leaves", () => {
    const sendings = run(seed, (random) => [...lightClients(random), ...heavyClients(random)]);
    const placed = sendings.filter(
      ({ outcome, sentAtMs, waitMs }) => outcome === "placed" && sentAtMs + waitMs < 3 * MINUTE_MS,
    );
    expect(placed.length / (3 * 60 * CAPACITY_PER_S)).toBeGreaterThan(0.97);
  });
});

describe("a higher priority at twice the capacity", () => {
  const high = { ...chat, key: "high", priority: 10 };
  const low = { ...chat, key: "low", priority: 0 };
  const sendings = run(
    1,
    (random) => [
      ...arrivals(high, { ...twiceCapacity, untilMs: 3 * MINUTE_MS }, random),
      ...arrivals(low, { perSecond: CAPACITY_PER_S, untilMs: 3 * MINUTE_MS }, random),
    ],
    { agedAfterMs: 5_000, agedShare: 0.25 },
  );
  const placedOf = (key: string) =>
    sendings.filter(
      ({ client, outcome, sentAtMs, waitMs }) =>
        client.key === key && outcome === "placed" && sentAtMs + waitMs < 3 * MINUTE_MS,
    );

  it("leaves the lower one the aged share and no more", () => {
    const share = placedOf("low").length / (placedOf("low").length + placedOf("high").length);
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.3);
  });

  it("lets nobody wait without an end", () => {
    // At most 52 of a key wait, and 2 a second of the lower one are placed.
    const waits = sendings.filter(({ client, outcome }) => client.key === "low" && outcome === "placed");
    expect(Math.max(...waits.map(({ waitMs }) => waitMs))).toBeLessThan(5_000 + 52 * 500 * 1.2);
  });

  it("is served at once as long as the lower one alone fills the pods", () => {
    const mixed = run(2, (random) => [
      ...arrivals(high, { perSecond: 1, untilMs: MINUTE_MS }, random),
      ...arrivals(low, twiceCapacity, random),
    ]);
    const waits = mixed.filter(({ client }) => client.key === "high").map(({ waitMs }) => waitMs);
    expect(quantile(waits, 0.99)).toBeLessThan(1_000);
  });
});

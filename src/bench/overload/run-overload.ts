import type { Bundle } from "../../selfhost/bundle.ts";
import { playArrivals, poissonArrivals } from "../load/open-loop.ts";
import { settledTruth } from "../replay/load-truth.ts";
import { progress } from "../report/progress.ts";
import { startStack } from "../stack/stack.ts";
import { type OverloadRow, overloadRow } from "./overload-row.ts";
import { type Sending, TENANTS, TenantClients } from "./tenant-clients.ts";

const MODEL = "qwen3-8b";
/** Requests that an engine runs at a time. The router is told the same. */
const RUNNING = 4;
/** About 0.15 s of prefill and 1.2 s of decode in an engine that has nothing else to do. */
const SHAPE = { promptTokens: 6_000, answerTokens: 128 };
const MAX_MODEL_LEN = 16_384;
const DEADLINE_MS = 10_000;
const PATIENCE_MS = 60_000;
/** Of what the fleet can serve. */
const LIGHT_SHARE = 0.04;
const IDLE_REQUESTS = 80;
/** The router has no leases to adopt any more once this has passed, and knows how long answers take. */
const WARM_UP_S = 12;
const MEASURED_S = 8;

export type OverloadOptions = {
  readonly bundle: Bundle;
  readonly seconds: number;
  /** Offered load by what the fleet can serve. */
  readonly factor: number;
  readonly engines: number;
  readonly seed: number;
  readonly signal: AbortSignal;
};

/** A light key alone, then both keys with more than the fleet can serve, then whoever was told to come back. */
export async function runOverload(options: OverloadOptions): Promise<OverloadRow> {
  const { bundle, seconds, factor, seed, signal } = options;
  const engines = {
    count: options.engines,
    model: MODEL,
    kvTokens: undefined,
    maxModelLen: MAX_MODEL_LEN,
    timeScale: 1,
    seed,
    kvEvents: true,
    more: { "max-num-seqs": RUNNING },
  };
  const settings = { queue: { mostInFlight: RUNNING }, limits: { firstByteMs: DEADLINE_MS } };
  const stack = await startStack({ bundle, engines, tenants: TENANTS, settings, edgePort: 0, signal });
  const clients = new TenantClients(stack, SHAPE, PATIENCE_MS, seed, signal);
  try {
    progress(`the light key alone: ${IDLE_REQUESTS} requests ...`);
    const idle = await inTurn(IDLE_REQUESTS, 2, () => clients.send("light"));
    progress("warming up and measuring what the fleet can serve ...");
    const capacityPerS = await measuredCapacity(clients, 2 * RUNNING * options.engines);
    progress(`${capacityPerS.toFixed(2)} requests a second; ${factor} times that for ${seconds} s ...`);
    const startedMs = performance.now();
    const sendings: Sending[] = [];
    const load = async (perS: number, tenant: Sending["tenant"], itsSeed: number): Promise<void> => {
      const times = poissonArrivals(Math.ceil(2 * perS * seconds) + 10, perS, itsSeed);
      const calls = times.filter((atMs) => atMs < 1_000 * seconds).map((atMs) => ({ call: tenant, atMs }));
      await playArrivals(calls, (key) => clients.sendPatiently(key, (sending) => sendings.push(sending)), signal);
    };
    await Promise.all([
      load((factor - LIGHT_SHARE) * capacityPerS, "heavy", seed),
      load(LIGHT_SHARE * capacityPerS, "light", seed + 1),
    ]);
    signal.throwIfAborted();
    progress("counting what is left ...");
    const truth = await settledTruth(stack, signal);
    const overload = { sendings, startedMs, seconds, deadlineMs: DEADLINE_MS };
    const fleet = { engines: options.engines, running: RUNNING, capacityPerS, factor };
    return overloadRow(fleet, idle, overload, truth, stack.crashes);
  } finally {
    clients.close();
    await stack.stop();
  }
}

/** Sends so many, some at a time. */
async function inTurn(count: number, atOnce: number, send: () => Promise<Sending>): Promise<Sending[]> {
  const sendings: Sending[] = [];
  let begun = 0;
  const sender = async (): Promise<void> => {
    while (begun++ < count) sendings.push(await send());
  };
  await Promise.all(Array.from({ length: atOnce }, sender));
  return sendings;
}

/** Requests a second that end while `atOnce` are always there, twice as many as can run. */
async function measuredCapacity(clients: TenantClients, atOnce: number): Promise<number> {
  const fromMs = performance.now() + 1_000 * WARM_UP_S;
  const untilMs = fromMs + 1_000 * MEASURED_S;
  let ended = 0;
  const sender = async (): Promise<void> => {
    while (performance.now() < untilMs) {
      const { outcome } = await clients.send("heavy");
      const nowMs = performance.now();
      if (outcome.kind === "completed" && nowMs >= fromMs && nowMs < untilMs) ended++;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, sender));
  if (ended === 0) throw new Error("the fleet serves nothing: there is no load to offer it");
  return ended / MEASURED_S;
}

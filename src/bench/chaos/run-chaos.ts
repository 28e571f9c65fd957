import { setTimeout as delay } from "node:timers/promises";
import type { Bundle } from "../../selfhost/bundle.ts";
import { auditClaims } from "../exact/claim-audit.ts";
import { ledgersOf } from "../exact/exact-run.ts";
import { settledTruth } from "../replay/load-truth.ts";
import { progress } from "../report/progress.ts";
import { readEngines } from "../stack/engine-truth.ts";
import type { EngineAddress } from "../stack/engines.ts";
import { readRouter } from "../stack/router-view.ts";
import { type Stack, startStack } from "../stack/stack.ts";
import { waitUntil } from "../stack/wait-until.ts";
import { CHAOS_FAULTS, type ChaosFault, inject, isOfClients, relieve } from "./chaos-faults.ts";
import { ChaosLoad } from "./chaos-load.ts";
import { type ChaosRow, chaosRow } from "./chaos-row.ts";
import { RssWatch } from "./rss-slope.ts";

const MODEL = "qwen3-8b";
const PODS = 4;
const SESSIONS = 12;
const KV_TOKENS = 40_000;
const FAULT_LASTS_MS = 1_500;
const RECOVERS_WITHIN_MS = 30_000;
const READ_RSS_EVERY_MS = 2_000;
/** Router and engines are read one after the other, and both counts move meanwhile. */
const COUNTS_MOVE = 2;

export type ChaosOptions = {
  readonly bundle: Bundle;
  readonly minutes: number;
  readonly timeScale: number;
  readonly seed: number;
  readonly signal: AbortSignal;
};

export type ChaosResult = {
  readonly rows: readonly ChaosRow[];
  readonly rssSlopeMbPerMin: Readonly<Record<string, number>>;
  readonly broken: readonly string[];
};

/** Tries every fault in turn under load, for an equal part of the time, and holds router and engines to one truth. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { bundle, minutes, timeScale, seed, signal } = options;
  const engines = {
    count: PODS,
    model: MODEL,
    kvTokens: KV_TOKENS,
    maxModelLen: 16_384,
    timeScale,
    seed,
    kvEvents: true,
  };
  const stack = await startStack({ bundle, engines, edgePort: 0, signal });
  const ledgers = await ledgersOf(stack);
  const watch = new RssWatch(() => ({ edge: stack.edgePid, collector: stack.collector.pid() }), READ_RSS_EVERY_MS);
  const rows: ChaosRow[] = [];
  const broken: string[] = [];
  try {
    for (const fault of CHAOS_FAULTS) {
      progress(`${fault} ...`);
      const untilMs = performance.now() + (60_000 * minutes) / CHAOS_FAULTS.length;
      const audit = () => auditClaims(stack, ledgers);
      const row = await tryFault(fault, stack, audit, untilMs, seed, signal);
      rows.push(row);
      if (row.leakedLeases > 0) broken.push(`${fault}: ${row.leakedLeases} leases leaked`);
      if (row.falseClaims > 0) broken.push(`${fault}: ${row.falseClaims} false claims remain`);
    }
    broken.push(...stack.crashes);
    return { rows, rssSlopeMbPerMin: watch.end(), broken };
  } finally {
    watch.end();
    for (const ledger of ledgers.values()) await ledger.close();
    await stack.stop();
  }
}

type Audit = () => Promise<{ readonly falseClaims: number }>;

async function tryFault(
  fault: ChaosFault,
  stack: Stack,
  audit: Audit,
  untilMs: number,
  seed: number,
  signal: AbortSignal,
): Promise<ChaosRow> {
  const load = new ChaosLoad(stack, SESSIONS, seed);
  const recoveriesMs: number[] = [];
  do {
    signal.throwIfAborted();
    const engine = stack.engines[load.round % stack.engines.length] as EngineAddress;
    if (isOfClients(fault)) load.leaving = fault === "client_leaves_by_fin" ? "fin" : "rst";
    await inject(fault, stack, engine);
    await delay(FAULT_LASTS_MS);
    await relieve(fault, engine);
    load.leaving = undefined;
    const overAtMs = performance.now();
    const recovered = await waitUntil(() => isWell(stack, audit), RECOVERS_WITHIN_MS, signal);
    recoveriesMs.push(recovered ? performance.now() - overAtMs : Number.POSITIVE_INFINITY);
    load.round++;
  } while (performance.now() < untilMs);
  await load.stop();
  const truth = await settledTruth(stack, signal);
  const { falseClaims } = await audit();
  return chaosRow(fault, load.calls, recoveriesMs, { leakedLeases: truth.openLeases, falseClaims });
}

/** Every pod is ready, the router counts what the engines count, and no claim is false. */
async function isWell(stack: Stack, audit: Audit): Promise<boolean> {
  const [{ pods }, engines] = await Promise.all([
    readRouter(stack.edgeUrl, stack.adminKey, stack.model),
    readEngines(stack.engines),
  ]);
  const agree = engines.every(({ name, inFlight }) => {
    const pod = pods.find(({ id }) => id.includes(`/${name}/`));
    return pod?.state === "ready" && Math.abs(pod.inFlight - inFlight) <= COUNTS_MOVE;
  });
  return agree && (await audit()).falseClaims === 0;
}

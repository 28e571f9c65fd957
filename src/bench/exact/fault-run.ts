import { setTimeout as delay } from "node:timers/promises";
import { PushProxy } from "../faults/push-proxy.ts";
import { ZmqProxy } from "../faults/zmq-proxy.ts";
import type { PlayedCall } from "../replay/play-policy.ts";
import { median, rounded } from "../report/percentiles.ts";
import { quotient } from "../report/quotient.ts";
import { readRouter } from "../stack/router-view.ts";
import type { Detours, Stack } from "../stack/stack.ts";
import { waitUntil } from "../stack/wait-until.ts";
import { type ExactRun, type ExactRunOptions, type RunningExact, runExact } from "./exact-run.ts";

/** What the disturbed runs are disturbed by. */
export const FAULTS = [
  /** SIGKILL, a second of absence, another start. */
  "collector_killed",
  /** An engine is gone for a moment and comes back empty, under its old name and address. */
  "engine_restarted",
  /** A few messages lost between an engine and the collector: replay has them. */
  "events_dropped",
  /** More messages lost than the engine keeps: nobody has them. */
  "events_lost",
  /** Pushes refused, cut off, doubled, out of order, and replies lost. */
  "pushes_disturbed",
] as const;
export type Fault = (typeof FAULTS)[number];

/** An exact run with faults in it. */
export type FaultRun = ExactRun & {
  /** False claims right after each fault, in all. */
  readonly falseClaimsNow: number;
  readonly recoveryMs: { readonly p50: number; readonly max: number };
  /** Null for a run that ends before there is something to compare. */
  readonly hitShareRegained: number | null;
};

/** At which of all calls a fault strikes. */
const STRIKES_AT = [0.3, 0.45, 0.6];
/** Hit shares count as regained from so many requests after the last fault on. */
export const REGAINED_AFTER_REQUESTS = 100;
const ABSENCE_MS = 1_000;
const FEW_MESSAGES = 5;
const GIVE_UP_MS = 30_000;

type Surroundings = { readonly proxies: Map<string, ZmqProxy>; pushes: PushProxy | undefined };

/** Plays a plan with a fault three times in it, and looks how long claims stay wrong and whether hits come back. */
export async function runFault(
  fault: Fault,
  options: Omit<ExactRunOptions, "onCall" | "detours"> & { readonly onCall: (done: number) => void },
  undisturbed: readonly PlayedCall[],
): Promise<FaultRun> {
  const { plan, bufferSteps, signal, onCall } = options;
  const surroundings: Surroundings = { proxies: new Map(), pushes: undefined };
  const strikesAt = STRIKES_AT.map((share) => Math.floor(share * plan.demand.calls));
  const recoveriesMs: number[] = [];
  let falseClaimsNow = 0;
  let striking: Promise<void> = Promise.resolve();
  const strikeAndWatch = async (running: RunningExact, round: number): Promise<void> => {
    await strike(fault, round, running.stack, surroundings, bufferSteps);
    const overAtMs = performance.now();
    falseClaimsNow += (await running.audit()).falseClaims;
    const isRight = async (): Promise<boolean> =>
      (await allTold(running.stack)) && (await running.audit()).falseClaims === 0;
    const recovered = await waitUntil(isRight, GIVE_UP_MS, signal);
    recoveriesMs.push(recovered ? performance.now() - overAtMs : Number.POSITIVE_INFINITY);
  };
  try {
    const result = await runExact({
      ...options,
      detours: detoursThrough(surroundings),
      onCall: (done, running) => {
        onCall(done);
        const round = strikesAt.indexOf(done);
        if (round >= 0) striking = striking.then(() => strikeAndWatch(running, round));
      },
      beforeEnd: () => striking,
    });
    const from = (strikesAt.at(-1) ?? 0) + REGAINED_AFTER_REQUESTS;
    const before = hitShareFrom(undisturbed, from);
    return {
      ...result,
      falseClaimsNow,
      recoveryMs: { p50: rounded(median(recoveriesMs)), max: rounded(Math.max(...recoveriesMs)) },
      hitShareRegained: before === 0 ? null : rounded(hitShareFrom(result.played, from) / before),
    };
  } finally {
    for (const proxy of surroundings.proxies.values()) await proxy.close();
    await surroundings.pushes?.close();
  }
}

function detoursThrough(surroundings: Surroundings): Detours {
  return {
    kvEvents: async ({ name, kvEvents }) => {
      const proxy = await ZmqProxy.start({ events: kvEvents ?? "", replay: null });
      surroundings.proxies.set(name, proxy);
      return proxy.events;
    },
    pushes: async (edgeUrl) => {
      surroundings.pushes = await PushProxy.start(edgeUrl);
      return surroundings.pushes.url;
    },
  };
}

/** Strikes once, at another engine in each round; resolves when the fault itself is over. */
async function strike(
  fault: Fault,
  round: number,
  stack: Stack,
  { proxies, pushes }: Surroundings,
  bufferSteps: number,
): Promise<void> {
  const engine = stack.engines[round % stack.engines.length];
  const proxy = proxies.get(engine?.name ?? "");
  if (engine === undefined || proxy === undefined || pushes === undefined)
    throw new Error("there is no engine to strike");
  switch (fault) {
    case "collector_killed":
      await stack.collector.kill();
      await delay(ABSENCE_MS);
      stack.collector.start();
      return;
    case "engine_restarted": {
      const order = JSON.stringify({ kind: "restart", downMs: ABSENCE_MS });
      const answer = await fetch(`${engine.control}/sim/fault`, { method: "POST", body: order });
      if (!answer.ok) throw new Error(`${engine.name} does not restart: ${await answer.text()}`);
      return;
    }
    case "events_dropped":
      proxy.dropNext(FEW_MESSAGES);
      return;
    case "events_lost": {
      const before = proxy.counts.dropped;
      proxy.dropNext(bufferSteps + FEW_MESSAGES);
      await waitUntil(async () => proxy.counts.dropped - before >= bufferSteps + FEW_MESSAGES, GIVE_UP_MS, NEVER);
      proxy.dropNothing();
      return;
    }
    case "pushes_disturbed":
      pushes.strikeNext({ kind: "refuse" }, 2);
      pushes.strikeNext({ kind: "double" }, 2);
      pushes.strikeNext({ kind: "lose-reply" });
      pushes.strikeNext({ kind: "hold", sender: "cut" });
      pushes.strikeNext({ kind: "cut" });
      pushes.strikeNext({ kind: "double" });
      return;
  }
}

const NEVER = new AbortController().signal;

/** Every pod is ready and its collector knows how far its claims can be trusted. */
async function allTold(stack: Stack): Promise<boolean> {
  const { pods } = await readRouter(stack.edgeUrl, stack.adminKey, stack.model);
  const told = pods.filter(({ state, index }) => state === "ready" && index.mode !== "approximate");
  return told.length === stack.engines.length;
}

function hitShareFrom(played: readonly PlayedCall[], from: number): number {
  let [cached, prompt] = [0, 0];
  for (const { outcome } of played.slice(from)) {
    cached += outcome.usage?.cachedTokens ?? 0;
    prompt += outcome.usage?.promptTokens ?? 0;
  }
  return quotient(cached, prompt);
}

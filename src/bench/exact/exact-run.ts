import { loadSegmentHasher } from "../../prefix/segment-hash.ts";
import type { Bundle } from "../../selfhost/bundle.ts";
import { loadQwenTokenizer } from "../../sim/engine/qwen-tokenizer.ts";
import { type PlayedCall, playPolicy } from "../replay/play-policy.ts";
import type { ReplayPlan } from "../replay/replay-plan.ts";
import { type Detours, type Stack, startStack } from "../stack/stack.ts";
import { waitUntil } from "../stack/wait-until.ts";
import { BlockLedger } from "./block-ledger.ts";
import { auditClaims, type ClaimAudit } from "./claim-audit.ts";

export const MODEL = "qwen3-8b";
export const SEGMENT_BYTES = 256;
export const BLOCK_TOKENS = 16;
const SETTLED_WITHIN_MS = 10_000;

/** What a stack is started with, and what is played on it. */
export type ExactRunOptions = {
  readonly bundle: Bundle;
  readonly plan: ReplayPlan;
  readonly pods: number;
  readonly kvTokens: number;
  readonly maxModelLen: number;
  readonly timeScale: number;
  readonly events: "on" | "off";
  readonly recheck: "on" | "off";
  readonly noncanonicalShare: number;
  readonly bufferSteps: number;
  readonly hybrid: string;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly detours?: Detours;
  /** Called after each call with the number of calls that are over. */
  readonly onCall: (done: number, running: RunningExact) => void;
  /** Waited for when the last call is over, while the stack still runs. */
  readonly beforeEnd?: () => Promise<void>;
};

/** A run under way. */
export type RunningExact = {
  readonly stack: Stack;
  readonly audit: () => Promise<ClaimAudit>;
};

export type ExactRun = {
  readonly played: readonly PlayedCall[];
  /** Of the pods' claims after the last answer; null without events. */
  readonly finalAudit: ClaimAudit | null;
  readonly broken: readonly string[];
};

/** Plays a plan on a cold stack and holds the router's claims against the engines' blocks. */
export async function runExact(options: ExactRunOptions): Promise<ExactRun> {
  const { plan, bundle, signal, events, seed, detours, onCall } = options;
  const more: Record<string, string | number> = {
    "noncanonical-share": options.noncanonicalShare,
    "buffer-steps": options.bufferSteps,
    ...(options.hybrid !== "off" && { hybrid: options.hybrid }),
  };
  const { pods: count, kvTokens, maxModelLen, timeScale } = options;
  const engines = { count, model: MODEL, kvTokens, maxModelLen, timeScale, seed, kvEvents: events === "on", more };
  const collectorArgs = options.recheck === "on" ? [] : ["--check-core-share", "0"];
  const stack = await startStack({
    bundle,
    engines,
    edgePort: 0,
    signal,
    collectorArgs,
    ...(detours !== undefined && { detours }),
  });
  const ledgers = await ledgersOf(stack);
  try {
    const audit = () => auditClaims(stack, ledgers);
    const running = { stack, audit };
    const { sessions, drive } = plan;
    const done = (calls: number): void => onCall(calls, running);
    const played = await playPolicy(stack, {
      policy: "warmpath",
      sessions,
      drive,
      abortShare: 0,
      seed,
      signal,
      onCall: done,
    });
    signal.throwIfAborted();
    await options.beforeEnd?.();
    const finalAudit = events === "on" ? await settledAudit(audit, signal) : null;
    const unread = [...ledgers.values()].reduce((sum, ledger) => sum + ledger.unread, 0);
    const broken = [...stack.crashes];
    if (unread > 0) broken.push(`${unread} messages of the engines could not be read by the bench`);
    return { played, finalAudit, broken };
  } finally {
    for (const ledger of ledgers.values()) await ledger.close();
    await stack.stop();
  }
}

/** A listener to each engine that publishes events, by its name. */
export async function ledgersOf(stack: Stack): Promise<Map<string, BlockLedger>> {
  const hasher = await loadSegmentHasher();
  const seed = hasher.seed({ secret: stack.hashSecret, baseModel: stack.model });
  const text = { hasher, seed, segmentBytes: SEGMENT_BYTES, tokenizer: loadQwenTokenizer() };
  const ledgers = new Map<string, BlockLedger>();
  for (const { name, kvEvents, kvReplay } of stack.engines) {
    if (kvEvents !== null) ledgers.set(name, new BlockLedger(kvEvents, kvReplay, text));
  }
  return ledgers;
}

/** The audit when nothing is on its way any more, or the last one if that never comes. */
async function settledAudit(audit: () => Promise<ClaimAudit>, signal: AbortSignal): Promise<ClaimAudit> {
  let last = await audit();
  await waitUntil(
    async () => {
      last = await audit();
      return last.falseClaims === 0;
    },
    SETTLED_WITHIN_MS,
    signal,
  );
  return last;
}

import { randomStream } from "../../sim/engine/random-stream.ts";
import type { CallOutcome } from "../load/call-outcome.ts";
import { playSessions } from "../load/closed-loop.ts";
import { LoadClient, type PlannedAbort } from "../load/load-client.ts";
import { playArrivals } from "../load/open-loop.ts";
import type { Stack } from "../stack/stack.ts";
import type { LiveCall, LiveSession } from "../traces/live-session.ts";
import { callRequest } from "./call-body.ts";

const CALL_TIMEOUT_MS = 180_000;
/** An abort comes somewhere in this time after its request, in wall ms. */
const ABORT_WITHIN_MS = 400;

/** How calls are put on the stack, times in wall ms. */
export type Drive =
  | { readonly kind: "closed"; readonly sessionsAtOnce: number; readonly thinkMs?: number }
  | { readonly kind: "open"; readonly arrivalsMs: readonly number[] };

export type PlayOptions = {
  readonly policy: string;
  readonly sessions: readonly LiveSession[];
  readonly drive: Drive;
  /** Share of the calls whose client leaves early, half of them by RST. */
  readonly abortShare: number;
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Called after each call with the number of calls that are over. */
  readonly onCall?: ((done: number) => void) | undefined;
};

/** A call as it was played. */
export type PlayedCall = { readonly call: LiveCall; readonly outcome: CallOutcome };

/** Plays the sessions under one policy and returns every call with what became of it. */
export async function playPolicy(stack: Stack, options: PlayOptions): Promise<PlayedCall[]> {
  const { policy, sessions, drive, signal } = options;
  const { edgeUrl: url, apiKey, model } = stack;
  const client = new LoadClient({ url, apiKey, timeoutMs: CALL_TIMEOUT_MS, nowMs: () => performance.now() });
  const random = randomStream(options.seed);
  const played: PlayedCall[] = [];
  const sessionOf = new Map(sessions.flatMap(({ id, calls }) => calls.map((call) => [call, id] as const)));
  const play = async (call: LiveCall): Promise<void> => {
    const abort = plannedAbort(options.abortShare, random);
    const headers = { "routing-strategy": policy, "x-session-id": sessionOf.get(call) ?? "" };
    const outcome = await client.call({ ...callRequest(call, model), headers, abort });
    played.push({ call, outcome: checked(call, outcome) });
    options.onCall?.(played.length);
  };
  try {
    if (drive.kind === "closed") await playSessions(sessions, drive.sessionsAtOnce, play, signal, drive.thinkMs);
    else {
      const calls = sessions.flatMap((session) => session.calls);
      const arrivals = calls.map((call, i) => ({ call, atMs: drive.arrivalsMs[i] ?? 0 }));
      await playArrivals(arrivals, play, signal);
    }
  } finally {
    client.close();
  }
  return played;
}

function plannedAbort(share: number, random: () => number): PlannedAbort | undefined {
  if (share === 0 || random() >= share) return undefined;
  return { how: random() < 0.5 ? "fin" : "rst", afterMs: random() * ABORT_WITHIN_MS };
}

/** An answer that is not the one ordered has been mixed up or damaged on its way. */
function checked(call: LiveCall, outcome: CallOutcome): CallOutcome {
  if (outcome.kind !== "completed") return outcome;
  const { answer } = call;
  const asOrdered =
    answer.kind === "text"
      ? outcome.text === answer.text
      : outcome.usage === undefined || outcome.usage.completionTokens === answer.tokens;
  return asOrdered ? outcome : { ...outcome, kind: "failed", problem: "the answer is not the one that was ordered" };
}

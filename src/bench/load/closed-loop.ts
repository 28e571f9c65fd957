import { setTimeout as delay } from "node:timers/promises";

/**
 * Plays sessions, at most `atOnce` of them at a time, each one's calls in order: the next call waits for the end of the
 * one before, and then for `thinkMs`, over which the first sessions begin one after the other. Sessions begin in the
 * order given. Stops beginning calls once `signal` is aborted; resolves when all that were begun are over.
 */
export async function playSessions<Call>(
  sessions: readonly { readonly calls: readonly Call[] }[],
  atOnce: number,
  play: (call: Call) => Promise<void>,
  signal: AbortSignal,
  thinkMs = 0,
): Promise<void> {
  const waiting = sessions.values();
  // An abort in a pause ends it, and with it the playing.
  const pause = (ms: number) => (ms > 0 ? delay(ms, undefined, { signal }).catch(() => undefined) : undefined);
  const player = async (place: number): Promise<void> => {
    await pause((thinkMs * place) / atOnce);
    for (const { calls } of waiting) {
      for (const call of calls) {
        if (signal.aborted) return;
        await play(call);
        await pause(thinkMs);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, sessions.length) }, (_, place) => player(place)));
}

import { setTimeout as delay } from "node:timers/promises";

/**
 * Plays sessions, at most `atOnce` of them at a time, each one's calls in order: the next call waits for the end of the
 * one before, and then for `thinkMs`. Sessions begin in the order given. Stops beginning calls once `signal` is aborted; resolves when all that
 * were begun are over.
 */
export async function playSessions<Call>(
  sessions: readonly { readonly calls: readonly Call[] }[],
  atOnce: number,
  play: (call: Call) => Promise<void>,
  signal: AbortSignal,
  thinkMs = 0,
): Promise<void> {
  const waiting = sessions.values();
  const player = async (): Promise<void> => {
    for (const { calls } of waiting) {
      for (const call of calls) {
        if (signal.aborted) return;
        await play(call);
        // An abort in the pause ends it, and with it the playing.
        if (thinkMs > 0) await delay(thinkMs, undefined, { signal }).catch(() => undefined);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, sessions.length) }, player));
}

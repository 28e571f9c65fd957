import type { Phase, RequestTimer } from "./request-timer.ts";

/** Nothing came within the time there was. */
export class TimedOut extends Error {}

/** A limit in time on something awaited. */
export type TimeLimit<T> = {
  readonly timer: RequestTimer;
  readonly phase: Phase;
  readonly withinMs: number;
  /** Takes what came too late. */
  readonly onLate?: (value: T) => void;
};

/** Resolves as `awaited` does, or rejects with TimedOut. What is awaited goes on: it is only no longer waited for. */
export function limited<T>(awaited: Promise<T>, limit: TimeLimit<T>): Promise<T> {
  const { timer, phase, withinMs, onLate } = limit;
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  let late = false;
  timer.set(phase, withinMs, () => {
    late = true;
    reject(new TimedOut(`nothing within ${withinMs} ms`));
  });
  awaited.then(
    (value) => {
      if (late) return onLate?.(value);
      timer.clear(phase);
      resolve(value);
    },
    (error) => {
      if (!late) timer.clear(phase);
      reject(error);
    },
  );
  return promise;
}

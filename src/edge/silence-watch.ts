import type { LimitSettings } from "../settings/settings.ts";
import { type AskedPod, isAlive } from "./pod-pulse.ts";
import type { RequestTimer } from "./request-timer.ts";

/** A pod is asked this often before its streams are given up. */
const TIMES_ASKED = 3;

/** What watches a stream after its first byte. */
export type SilenceWatch = {
  /** To be called when reading begins to wait for the pod, and when something came. */
  readonly waiting: (waits: boolean) => void;
};

/**
 * Calls `onSilence` when a stream's pod has said nothing for `idleMs`. Bytes that pass natively cannot be seen, so by
 * default the pod is watched in their place: whether it has answered anything to anybody, or does so when it is asked.
 */
export function watchSilence(
  pod: AskedPod,
  limits: LimitSettings,
  timer: RequestTimer,
  onSilence: () => void,
): SilenceWatch {
  const { idleWatch, idleMs, connectMs } = limits;
  if (idleWatch === "bytes") {
    return { waiting: (waits) => (waits ? timer.set("idle", idleMs, onSilence) : timer.clear("idle")) };
  }
  const watch = (): void => {
    timer.set("idle", idleMs, async () => {
      if (await isAlive(pod, Date.now() - idleMs, { times: TIMES_ASKED, eachMs: connectMs })) watch();
      else onSilence();
    });
  };
  watch();
  return { waiting: () => undefined };
}

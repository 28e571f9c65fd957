import type { PriorityBand } from "./priority-band.ts";

/** A request that is not in the queue, as the order sees it. */
export type Newcomer = {
  readonly priority: number;
  readonly key: string;
  readonly weight: number;
  /** Where its key's counter would stand. */
  readonly served: number;
  readonly rankMs: number;
};

/** Weighted tokens a key at one priority will still bring, beside what it has waiting. */
export type Expected = (priority: number, key: string) => number;

/**
 * Weighted tokens that leave the queue before a newcomer does, if nobody comes but those that are expected: everything
 * at higher priorities; of its own key what goes before it in the order of bounded stretch, and all that is expected;
 * of each other key as much as lets that key's counter catch up with where the newcomer's will be by then.
 */
export function workAhead<Payload>(
  bands: readonly PriorityBand<Payload>[],
  newcomer: Newcomer,
  expected: Expected,
): number {
  let workTokens = 0;
  for (const band of bands) {
    if (band.priority > newcomer.priority) {
      for (const flow of band.flows) workTokens += flow.workTokens + expected(band.priority, flow.account.key);
    } else if (band.priority === newcomer.priority) workTokens += workAheadIn(band, newcomer, expected);
  }
  return workTokens;
}

function workAheadIn<Payload>(band: PriorityBand<Payload>, newcomer: Newcomer, expected: Expected): number {
  const { priority } = band;
  const waitingOwn = band.flow(newcomer.key)?.workBefore(newcomer.rankMs) ?? 0;
  const own = waitingOwn + expected(priority, newcomer.key);
  const servedByThen = newcomer.served + own / newcomer.weight;
  let workTokens = own;
  for (const { account, workTokens: waiting } of band.flows) {
    if (account.key === newcomer.key) continue;
    const catchesUp = Math.max(0, servedByThen - account.served) * account.weight;
    workTokens += Math.min(waiting + expected(priority, account.key), catchesUp);
  }
  return workTokens;
}

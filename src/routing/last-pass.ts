import type { AssumedWork, Counts } from "./assumed-placements.ts";
import type { Pod } from "./pod.ts";

/** Findings hold for this long at most, whatever happens: claims and costs change with time. */
const REMEMBERED_MS = 50;

/** The pod that a request waits for, and what it comes to there. */
export type AwaitedPod = AssumedWork & { readonly pod: Pod };

/** A pod as it was when something was found. */
type Seen = { readonly inFlight: number; readonly awaiting: number; readonly atMs: number };

/**
 * What the last pass through the queue found, as long as it holds, so that not everybody who waits is asked again at
 * each event. Who waits for one pod will not want another one before something happens on either.
 */
export class LastPass {
  readonly #unwanted = new Map<Pod, Seen>();
  #awaited = new Map<string, { readonly choice: AwaitedPod; readonly seen: Seen }>();

  /** Whether the pod was open to those who wait, in vain, and is as it was. */
  isUnwanted(pod: Pod, nowMs: number): boolean {
    return holds(this.#unwanted.get(pod), pod, nowMs);
  }

  /** The pod that a request waits for, if its own counts are as they were. */
  awaitedBy(id: string, countsOf: (pod: Pod) => Counts, nowMs: number): AwaitedPod | undefined {
    const found = this.#awaited.get(id);
    return found !== undefined && holds(found.seen, countsOf(found.choice.pod), nowMs) ? found.choice : undefined;
  }

  /** A pass is over, and nothing is assumed any more. `awaited` are those it asked, and what of them held from before. */
  ended(unwanted: Iterable<Pod>, awaited: ReadonlyMap<string, AwaitedPod>, nowMs: number): void {
    for (const pod of unwanted) this.#unwanted.set(pod, seenAt(pod, nowMs));
    const before = this.#awaited;
    this.#awaited = new Map();
    for (const [id, choice] of awaited) {
      const known = before.get(id);
      const seen = known?.choice === choice ? known.seen : seenAt(choice.pod, nowMs);
      this.#awaited.set(id, { choice, seen });
    }
  }
}

function seenAt({ inFlight, awaitingFirstToken }: Pod, atMs: number): Seen {
  return { inFlight, awaiting: awaitingFirstToken, atMs };
}

function holds(seen: Seen | undefined, { inFlight, awaitingFirstToken }: Counts, nowMs: number): boolean {
  return (
    seen !== undefined &&
    nowMs - seen.atMs < REMEMBERED_MS &&
    inFlight === seen.inFlight &&
    awaitingFirstToken === seen.awaiting
  );
}

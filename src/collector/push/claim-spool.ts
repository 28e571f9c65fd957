import { type ClaimChange, type ClaimReset, isReset } from "../../protocol/push-message.ts";

/** What a change takes in a message besides its segments and its pod's name, about. */
const CHANGE_OVERHEAD_BYTES = 48;

type PodQueue = {
  changes: ClaimChange[];
  bytes: number;
  /** Changes were dropped: until its reset is acknowledged there is no use in queueing more. */
  overflowed: boolean;
};

/**
 * Claim changes that wait for the edge, in order within each pod, bounded. A pod whose changes do not fit loses all of
 * them for one `restate`, and is resynced when that has arrived. Adding never waits.
 */
export class ClaimSpool {
  readonly #maxBytes: number;
  readonly #pods = new Map<string, PodQueue>();
  #bytes = 0;
  #overflows = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** How often a pod's changes were given up for a resync. */
  get overflows(): number {
    return this.#overflows;
  }

  get isEmpty(): boolean {
    for (const queue of this.#pods.values()) if (queue.changes.length > 0) return false;
    return true;
  }

  add(change: ClaimChange): void {
    const queue = this.#queueOf(change.pod);
    if (isReset(change)) {
      this.#replaceBy(queue, change);
      return;
    }
    if (queue.overflowed) return;
    this.#append(queue, change);
    while (this.#bytes > this.#maxBytes && this.#collapseLargest()) this.#overflows++;
  }

  /** Takes out up to `maxBytes` of changes, in order within each pod; one change at least where there is any. */
  take(maxBytes: number): ClaimChange[] {
    const taken: ClaimChange[] = [];
    const bytesBefore = this.#bytes;
    for (const [pod, queue] of [...this.#pods]) {
      let fitting = 0;
      for (const change of queue.changes) {
        const size = sizeOf(change);
        if (taken.length + fitting > 0 && bytesBefore - this.#bytes + size > maxBytes) break;
        this.#bytes -= size;
        queue.bytes -= size;
        fitting++;
      }
      taken.push(...queue.changes.splice(0, fitting));
      if (queue.changes.length > 0) {
        // To the end of the line: a pod that fills faster than it is emptied must not starve the others.
        this.#pods.delete(pod);
        this.#pods.set(pod, queue);
        break;
      }
      if (!queue.overflowed) this.#pods.delete(pod);
    }
    return taken;
  }

  /** These reached the edge. Returns the pods that have to be resynced now: what they lost is void there. */
  arrived(changes: readonly ClaimChange[]): string[] {
    const resync: string[] = [];
    for (const change of changes) {
      const { pod } = change;
      const queue = this.#pods.get(pod);
      if (!isReset(change) || queue === undefined || !queue.overflowed || queue.changes.length > 0) continue;
      this.#pods.delete(pod);
      resync.push(pod);
    }
    return resync;
  }

  /** These will never reach the edge: each of their pods begins anew. */
  lost(changes: readonly ClaimChange[]): void {
    for (const { pod, epoch } of changes) {
      const queue = this.#queueOf(pod);
      const waiting = queue.changes.at(-1);
      queue.overflowed = true;
      this.#replaceBy(queue, {
        kind: resetOf([...queue.changes, ...changes], pod),
        pod,
        epoch: waiting?.epoch ?? epoch,
      });
    }
  }

  /** The pod left the feed: what waits for it is moot. */
  drop(pod: string): void {
    this.#bytes -= this.#pods.get(pod)?.bytes ?? 0;
    this.#pods.delete(pod);
  }

  #queueOf(pod: string): PodQueue {
    const known = this.#pods.get(pod);
    if (known !== undefined) return known;
    const queue: PodQueue = { changes: [], bytes: 0, overflowed: false };
    this.#pods.set(pod, queue);
    return queue;
  }

  #append(queue: PodQueue, change: ClaimChange): void {
    queue.changes.push(change);
    const size = sizeOf(change);
    queue.bytes += size;
    this.#bytes += size;
  }

  /** A reset makes whatever waits before it moot. */
  #replaceBy(queue: PodQueue, reset: ClaimReset): void {
    this.#bytes -= queue.bytes;
    queue.changes = [];
    queue.bytes = 0;
    this.#append(queue, reset);
  }

  /** False when there is nothing left to gain. */
  #collapseLargest(): boolean {
    let largest: PodQueue | undefined;
    for (const queue of this.#pods.values()) {
      if (queue.changes.length > 1 && queue.bytes > (largest?.bytes ?? 0)) largest = queue;
    }
    const newest = largest?.changes.at(-1);
    if (largest === undefined || newest === undefined) return false;
    largest.overflowed = true;
    const { pod, epoch } = newest;
    this.#replaceBy(largest, { kind: resetOf(largest.changes, pod), pod, epoch });
    return true;
  }
}

/** What stands for changes that were dropped: an empty cache among them must not be forgotten. */
function resetOf(dropped: readonly ClaimChange[], pod: string): ClaimReset["kind"] {
  return dropped.some((change) => change.pod === pod && change.kind === "clear") ? "clear" : "restate";
}

function sizeOf(change: ClaimChange): number {
  const segments = "segments" in change ? change.segments.byteLength : 0;
  const tokens = change.kind === "store" ? change.tokens.byteLength : 0;
  return CHANGE_OVERHEAD_BYTES + change.pod.length + change.epoch.length + segments + tokens;
}

import type { Pod } from "./pod.ts";

/** One request's hold on one pod. */
export type Lease = {
  readonly id: string;
  readonly pod: Pod;
  readonly epoch: string;
  readonly openedAtMs: number;
  renewedAtMs: number;
  firstTokenAtMs: number | undefined;
  /** Bytes of the prompt's text; 0 where they are not known. */
  readonly promptBytes: number;
  readonly promptTokens: number;
  /** Prompt tokens the pod is believed to prefill for this request. */
  readonly uncachedTokens: number;
  /** Undefined where nothing could be predicted: the prompt has no segments, or the lease was adopted. */
  readonly prediction: HitPrediction | undefined;
  /** Backlog of the pod when the request was sent, its own work included. */
  readonly workAtSendTokens: number;
};

/** The cache hit that was expected when the request was placed. */
export type HitPrediction = {
  readonly hitTokens: number;
  /** What one segment and one engine block come to: no prediction can be closer. */
  readonly toleranceTokens: number;
};

/** What opening a lease needs. Times are the router's clock. */
export type LeaseTerms = {
  readonly id: string;
  readonly pod: Pod;
  readonly openedAtMs: number;
  readonly promptBytes: number;
  readonly promptTokens: number;
  readonly uncachedTokens: number;
  readonly prediction?: HitPrediction | undefined;
  readonly firstTokenSeen: boolean;
};

/**
 * The open leases and, on each pod, the sums they make. All sums are changed here and nowhere else, once up and once
 * down for each lease, so no count can drift or fall below zero.
 */
export class LeaseLedger {
  /** In the order of their last renewal: the first to fall is the first. */
  readonly #leases = new Map<string, Lease>();
  /** No lease was renewed before this: asked for at each request, when mostly none has fallen. */
  #renewedSinceMs = Number.NEGATIVE_INFINITY;

  get size(): number {
    return this.#leases.size;
  }

  get(id: string): Lease | undefined {
    return this.#leases.get(id);
  }

  /** All open leases, least recently renewed first. */
  values(): IterableIterator<Lease> {
    return this.#leases.values();
  }

  /** Opens a lease. The id must be unknown. */
  open(terms: LeaseTerms, nowMs: number): Lease {
    const { pod } = terms;
    const lease: Lease = {
      id: terms.id,
      pod,
      epoch: pod.facts.epoch,
      openedAtMs: terms.openedAtMs,
      renewedAtMs: nowMs,
      firstTokenAtMs: terms.firstTokenSeen ? nowMs : undefined,
      promptBytes: terms.promptBytes,
      promptTokens: terms.promptTokens,
      uncachedTokens: terms.uncachedTokens,
      prediction: terms.prediction,
      workAtSendTokens: pod.backlogTokens + terms.uncachedTokens,
    };
    this.#leases.set(lease.id, lease);
    pod.inFlight++;
    pod.promptTokensInFlight += lease.promptTokens;
    if (!terms.firstTokenSeen) {
      if (pod.awaiting.size === 0) pod.headSinceMs = nowMs;
      pod.awaiting.set(lease.id, lease.uncachedTokens);
      pod.awaitingFirstToken++;
      pod.backlogTokens += lease.uncachedTokens;
    }
    recordLoad(pod, nowMs);
    return lease;
  }

  /** The first body byte came: the request's prefill is done. Nothing happens the second time. */
  firstToken(lease: Lease, nowMs: number): void {
    if (lease.firstTokenAtMs !== undefined || this.#leases.get(lease.id) !== lease) return;
    lease.firstTokenAtMs = nowMs;
    this.#leaveBacklog(lease, nowMs);
    recordLoad(lease.pod, nowMs);
  }

  /** The holder is alive. */
  renew(lease: Lease, nowMs: number): void {
    if (this.#leases.get(lease.id) !== lease) return;
    lease.renewedAtMs = nowMs;
    this.#leases.delete(lease.id);
    this.#leases.set(lease.id, lease);
  }

  /** Closes a lease. True the first time, false for one that is closed or was never open. */
  close(lease: Lease, nowMs: number): boolean {
    if (this.#leases.get(lease.id) !== lease) return false;
    this.#leases.delete(lease.id);
    const { pod } = lease;
    if (lease.firstTokenAtMs === undefined) this.#leaveBacklog(lease, nowMs);
    pod.inFlight--;
    pod.promptTokensInFlight -= lease.promptTokens;
    recordLoad(pod, nowMs);
    return true;
  }

  /** Leases not renewed since `beforeMs`. They are still open: closing them is the caller's. */
  expired(beforeMs: number): Lease[] {
    const found: Lease[] = [];
    if (beforeMs <= this.#renewedSinceMs) return found;
    for (const lease of this.#leases.values()) {
      if (lease.renewedAtMs >= beforeMs) {
        if (found.length === 0) this.#renewedSinceMs = lease.renewedAtMs;
        break;
      }
      found.push(lease);
    }
    return found;
  }

  #leaveBacklog(lease: Lease, nowMs: number): void {
    const { pod } = lease;
    pod.awaiting.delete(lease.id);
    pod.awaitingFirstToken--;
    pod.backlogTokens -= lease.uncachedTokens;
    pod.headSinceMs = nowMs;
  }
}

function recordLoad({ history, inFlight, promptTokensInFlight, backlogTokens }: Pod, nowMs: number): void {
  history.record(nowMs, inFlight, promptTokensInFlight - backlogTokens);
}

import type { OutlierLimits } from "./outlier-limits.ts";
import { SlidingCount } from "./sliding-count.ts";

/** Where a pod stands. `half_open`: its ejection is over, and one request at a time may try it. */
export type HealthState =
  | { readonly kind: "healthy" }
  | { readonly kind: "ejected"; readonly untilMs: number }
  | { readonly kind: "half_open"; readonly probe: string | undefined };

/** An ejection as a checkpoint keeps it. */
export type SavedEjection = {
  readonly podId: string;
  /** 0: it is over, and the pod waits for its probe. */
  readonly remainingMs: number;
  readonly ejections: number;
};

type Probe = { readonly requestId: string; readonly sinceMs: number };

/** One pod's health: counts outcomes, says when it should be out, and keeps the one probe that lets it back in. */
export class PodHealth {
  readonly #limits: OutlierLimits;
  readonly #requests: SlidingCount;
  readonly #failures: SlidingCount;
  #failuresInRow = 0;
  /** Undefined while healthy. */
  #ejectedUntilMs: number | undefined;
  #probe: Probe | undefined;
  #ejections = 0;
  /** What was sent before says nothing of the pod as it is now. */
  #healthySinceMs: number;
  /** When an ejection was last forgotten, or could first have been. */
  #forgottenAtMs: number;

  constructor(limits: OutlierLimits, nowMs: number) {
    this.#limits = limits;
    this.#requests = new SlidingCount(limits.windowMs);
    this.#failures = new SlidingCount(limits.windowMs);
    this.#healthySinceMs = nowMs;
    this.#forgottenAtMs = nowMs;
  }

  /** Out, or back only for a probe. */
  get isOut(): boolean {
    return this.#ejectedUntilMs !== undefined;
  }

  /** When its ejection ends or ended; undefined while healthy. */
  get ejectedUntilMs(): number | undefined {
    return this.#ejectedUntilMs;
  }

  /** Ejections not forgotten yet. */
  get ejections(): number {
    return this.#ejections;
  }

  state(nowMs: number): HealthState {
    if (this.#ejectedUntilMs === undefined) return { kind: "healthy" };
    if (nowMs < this.#ejectedUntilMs) return { kind: "ejected", untilMs: this.#ejectedUntilMs };
    return { kind: "half_open", probe: this.#probeAt(nowMs)?.requestId };
  }

  /** Whether one more request may be sent there. */
  admits(nowMs: number): boolean {
    if (this.#ejectedUntilMs === undefined) return true;
    return nowMs >= this.#ejectedUntilMs && this.#probeAt(nowMs) === undefined;
  }

  /** A request is sent: on a half-open pod it is the probe. */
  sent(requestId: string, nowMs: number): void {
    if (this.#ejectedUntilMs !== undefined && this.admits(nowMs)) this.#probe = { requestId, sinceMs: nowMs };
  }

  /** Whether this request is the one that decides over the pod's return. */
  isProbe(requestId: string, nowMs: number): boolean {
    return this.#probeAt(nowMs)?.requestId === requestId;
  }

  /** The probe proved nothing: the next request may be one. */
  freeProbe(): void {
    this.#probe = undefined;
  }

  /**
   * Counts a request's end. True: by its failures the pod should be out. Outcomes of before its return count for
   * nothing.
   */
  count(failed: boolean, sentAtMs: number, nowMs: number): boolean {
    if (this.isOut || sentAtMs < this.#healthySinceMs) return false;
    this.#forget(nowMs);
    this.#requests.add(nowMs);
    if (!failed) {
      this.#failuresInRow = 0;
      return false;
    }
    this.#failuresInRow++;
    this.#failures.add(nowMs);
    const { consecutiveFailures, failureShare, leastRequests } = this.#limits;
    if (this.#failuresInRow >= consecutiveFailures) return true;
    const requests = this.#requests.total(nowMs);
    return requests >= leastRequests && this.#failures.total(nowMs) >= failureShare * requests;
  }

  /** Takes the pod out, for longer each time. */
  eject(nowMs: number): void {
    this.#forget(nowMs);
    this.#ejections++;
    const { ejectionMs, mostEjectionMs } = this.#limits;
    this.#ejectedUntilMs = nowMs + Math.min(mostEjectionMs, ejectionMs * 2 ** (this.#ejections - 1));
    this.#probe = undefined;
  }

  /** Takes the pod back in, with a clean window. */
  readmit(nowMs: number): void {
    this.#ejectedUntilMs = undefined;
    this.#probe = undefined;
    this.#failuresInRow = 0;
    this.#requests.clear();
    this.#failures.clear();
    this.#healthySinceMs = nowMs;
    this.#forgottenAtMs = nowMs;
  }

  save(podId: string, nowMs: number): SavedEjection | undefined {
    if (this.#ejectedUntilMs === undefined) return undefined;
    return { podId, remainingMs: Math.max(0, this.#ejectedUntilMs - nowMs), ejections: this.#ejections };
  }

  restore({ remainingMs, ejections }: SavedEjection, nowMs: number): void {
    this.#ejections = ejections;
    this.#ejectedUntilMs = nowMs + remainingMs;
  }

  #probeAt(nowMs: number): Probe | undefined {
    const probe = this.#probe;
    return probe !== undefined && nowMs - probe.sinceMs < this.#limits.probeMs ? probe : undefined;
  }

  #forget(nowMs: number): void {
    if (this.isOut) return;
    const steps = Math.floor((nowMs - this.#forgottenAtMs) / this.#limits.forgetMs);
    if (steps <= 0) return;
    this.#ejections = Math.max(0, this.#ejections - steps);
    this.#forgottenAtMs += steps * this.#limits.forgetMs;
  }
}

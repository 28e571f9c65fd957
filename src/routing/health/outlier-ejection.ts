import { DEFAULT_OUTLIER_LIMITS, type OutlierLimits } from "./outlier-limits.ts";
import { type HealthState, PodHealth, type SavedEjection } from "./pod-health.ts";
import { type PodOutcome, verdictOf } from "./pod-outcome.ts";

/** A request on a pod, as its lease knows it. */
export type SentRequest = { readonly podId: string; readonly requestId: string; readonly sentAtMs: number };

/** A pod as metrics and the admin API show it. */
export type PodHealthView = { readonly podId: string; readonly state: HealthState; readonly ejections: number };

/**
 * Takes pods of one model out of routing by what their requests meet: healthy, ejected for a time that grows, half-open
 * for one probe at a time, healthy again. Never takes out more than a share of them. An unknown pod is healthy.
 */
export class OutlierEjection {
  readonly #limits: OutlierLimits;
  readonly #pods = new Map<string, PodHealth>();
  /** Pods that are out, those on probe included: asked at each request. */
  #outCount = 0;

  constructor(limits: OutlierLimits = DEFAULT_OUTLIER_LIMITS) {
    this.#limits = limits;
  }

  /**
   * The model's pods as reported. What is known of others is forgotten. With fewer pods fewer may be out: those soonest
   * due come back in.
   */
  setPods(podIds: Iterable<string>, nowMs: number): void {
    const reported = new Set(podIds);
    for (const podId of this.#pods.keys()) if (!reported.has(podId)) this.#pods.delete(podId);
    for (const podId of reported) if (!this.#pods.has(podId)) this.#add(podId, nowMs);
    this.#holdBound(nowMs);
  }

  /** The pod was restarted: what its process did before says nothing of the new one. */
  restarted(podId: string, nowMs: number): void {
    if (!this.#pods.has(podId)) return;
    this.#add(podId, nowMs);
    this.#countOut();
  }

  /** Whether any pod is out or back only for a probe: if not, all admit. */
  get anyOut(): boolean {
    return this.#outCount > 0;
  }

  /** Whether a request may be sent to the pod now: it is healthy, or its ejection is over and nobody probes it. */
  admits(podId: string, nowMs: number): boolean {
    return this.#pods.get(podId)?.admits(nowMs) ?? true;
  }

  state(podId: string, nowMs: number): HealthState {
    return this.#pods.get(podId)?.state(nowMs) ?? { kind: "healthy" };
  }

  /** A request is sent to a pod that admits it. On a half-open one it is the probe. */
  sent(podId: string, requestId: string, nowMs: number): void {
    this.#pods.get(podId)?.sent(requestId, nowMs);
  }

  /** The first body byte of an answer came: enough for a probe, whose answer may take minutes more. */
  firstToken(podId: string, requestId: string, nowMs: number): void {
    const pod = this.#pods.get(podId);
    if (!pod?.isProbe(requestId, nowMs)) return;
    pod.readmit(nowMs);
    this.#countOut();
  }

  /** A request on the pod ended, or was moved away from it. Once for each request and pod. */
  ended({ podId, requestId, sentAtMs }: SentRequest, outcome: PodOutcome, nowMs: number): void {
    const pod = this.#pods.get(podId);
    const verdict = verdictOf(outcome);
    if (pod === undefined) return;
    if (pod.isProbe(requestId, nowMs)) {
      if (verdict === "success") pod.readmit(nowMs);
      else if (verdict === "failure") pod.eject(nowMs);
      else pod.freeProbe();
      this.#countOut();
    } else if (verdict !== undefined && pod.count(verdict === "failure", sentAtMs, nowMs)) {
      // Above the bound the pod stays, and its next failure asks again.
      if (this.#outCount < this.#mostOut()) pod.eject(nowMs);
      this.#countOut();
    }
  }

  /** All pods, for metrics and the admin API. */
  inspect(nowMs: number): PodHealthView[] {
    return [...this.#pods].map(([podId, pod]) => ({ podId, state: pod.state(nowMs), ejections: pod.ejections }));
  }

  /** The ejections in force. A probe under way is not kept: after a restore another is sent. */
  snapshot(nowMs: number): SavedEjection[] {
    return [...this.#pods].flatMap(([podId, pod]) => pod.save(podId, nowMs) ?? []);
  }

  /** Takes up saved ejections of the pods that are known: after `setPods`. */
  restore(saved: readonly SavedEjection[], nowMs: number): void {
    for (const ejection of saved) this.#pods.get(ejection.podId)?.restore(ejection, nowMs);
    this.#holdBound(nowMs);
  }

  #add(podId: string, nowMs: number): void {
    this.#pods.set(podId, new PodHealth(this.#limits, nowMs));
  }

  #out(): PodHealth[] {
    return [...this.#pods.values()].filter(({ isOut }) => isOut);
  }

  #mostOut(): number {
    const pods = this.#pods.size;
    return Math.max(0, Math.min(Math.floor(this.#limits.mostEjectedShare * pods), pods - 1));
  }

  #holdBound(nowMs: number): void {
    const out = this.#out().sort((a, b) => (a.ejectedUntilMs ?? 0) - (b.ejectedUntilMs ?? 0));
    for (const pod of out.slice(0, Math.max(0, out.length - this.#mostOut()))) pod.readmit(nowMs);
    this.#countOut();
  }

  #countOut(): void {
    this.#outCount = this.#out().length;
  }
}

import type { Logger } from "pino";
import type { ClaimChange, PodReport, PushMessage } from "../../protocol/push-message.ts";
import type { CollectorMetrics } from "../collector-metrics.ts";
import { Feed, type FeedTiming } from "./feed.ts";
import type { PushOutcome } from "./send-push.ts";

/** What the feeds need to know of a pod. */
export type FeedPod = {
  readonly name: string;
  /** Undefined while its models are not known: it belongs to no feed then. */
  readonly baseModel: string | undefined;
  report(nowMs: number): PodReport | undefined;
};

export type FeedsOptions = {
  readonly source: string;
  readonly instance: string;
  readonly timing: FeedTiming;
  readonly spoolBytes: number;
  readonly messageClaimBytes: number;
  readonly post: (message: PushMessage) => Promise<PushOutcome>;
  /** All pods that are followed now. */
  readonly pods: () => Iterable<FeedPod>;
  readonly onResync: (podName: string) => void;
  readonly onCheck: (podName: string) => void;
  /** Adds the pod's claims that wait elsewhere, about so many bytes. True if more are to come. */
  readonly gather: (podName: string, roomBytes: number) => boolean;
  readonly nowMs: () => number;
  readonly random: () => number;
  readonly metrics: CollectorMetrics;
  readonly log: Logger;
};

/** One feed per base model. A feed lives until the edge has heard that its last pod is gone. */
export class Feeds {
  readonly #options: FeedsOptions;
  readonly #feeds = new Map<string, Feed>();
  /** Which feed told the edge of a pod. */
  readonly #modelOf = new Map<string, string>();

  constructor(options: FeedsOptions) {
    this.#options = options;
  }

  /** The pod came, changed state, epoch or model, or is gone (then without a model). */
  podChanged(name: string, baseModel: string | undefined): void {
    const before = this.#modelOf.get(name);
    if (before !== undefined && before !== baseModel) this.#feeds.get(before)?.dropPod(name);
    if (baseModel === undefined) {
      this.#modelOf.delete(name);
      return;
    }
    this.#modelOf.set(name, baseModel);
    this.#feedOf(baseModel).pushSoon();
  }

  /** A claim of a pod that no feed has told of is moot: the edge holds nothing of it. */
  addClaim(change: ClaimChange): void {
    const model = this.#modelOf.get(change.pod);
    if (model !== undefined) this.#feeds.get(model)?.addClaim(change);
  }

  /** Claims of a pod wait to be gathered. */
  claimsWait(pod: string): void {
    const model = this.#modelOf.get(pod);
    if (model !== undefined) this.#feeds.get(model)?.claimsWait();
  }

  close(): void {
    for (const feed of this.#feeds.values()) feed.close();
  }

  #feedOf(model: string): Feed {
    const known = this.#feeds.get(model);
    if (known !== undefined) return known;
    const { pods, nowMs, gather, ...options } = this.#options;
    const feed = new Feed({
      ...options,
      model,
      reports: () => this.#reports(model),
      gather: (roomBytes) => this.#gather(model, roomBytes),
      onEmpty: () => this.#end(model),
    });
    this.#feeds.set(model, feed);
    return feed;
  }

  #reports(model: string): PodReport[] {
    const nowMs = this.#options.nowMs();
    const reports: PodReport[] = [];
    for (const pod of this.#options.pods()) {
      const report = pod.baseModel === model ? pod.report(nowMs) : undefined;
      if (report !== undefined) reports.push(report);
    }
    return reports;
  }

  #gather(model: string, roomBytes: number): boolean {
    const pods = [...this.#modelOf].flatMap(([pod, itsModel]) => (itsModel === model ? [pod] : []));
    const roomEach = Math.ceil(roomBytes / Math.max(1, pods.length));
    let more = false;
    for (const pod of pods) more = this.#options.gather(pod, roomEach) || more;
    return more;
  }

  #end(model: string): void {
    if ([...this.#modelOf.values()].includes(model)) return;
    this.#feeds.get(model)?.close();
    this.#feeds.delete(model);
  }
}

import { foreignLoad, freshGauges } from "./load.ts";
import type { EngineGauges, Pod } from "./pod.ts";
import { lackingTokens, type PodLoad, type SaturationLimits, saturation } from "./saturation.ts";

/** What a request asks of a pod. */
export type WantedRoom = { readonly promptTokens: number; readonly outputTokens: number };

/** What pods are judged by, beside their own counts. */
export type RoomTerms = {
  readonly limits: SaturationLimits & { readonly mostInFlight: number };
  /** How long a pod will prefill before it gets to a new request. */
  readonly backlogMs: (pod: Pod) => number;
  readonly nowMs: number;
  /** Leases of before a restart are still being adopted (see load.ts). */
  readonly adopting: boolean;
};

const NO_ROOM: WantedRoom = { promptTokens: 0, outputTokens: 0 };

/** Which of some pods may take one more request, by their counts at the moment of each question. */
export class OpenPods {
  readonly #pods: readonly Pod[];
  readonly #terms: RoomTerms;
  /** Requests of others by pod, as soon as they can matter. */
  #foreign: ReadonlyMap<Pod, number> | undefined;

  constructor(pods: readonly Pod[], terms: RoomTerms) {
    this.#pods = pods;
    this.#terms = terms;
  }

  /** The pods without those that have too many requests, which no policy knows: how soon they have fewer is not theirs. */
  withoutFull(pods: readonly Pod[]): readonly Pod[] {
    const foreign = this.#foreignLoads();
    if (foreign.size === 0) return pods;
    return pods.filter((pod) => pod.inFlight + (foreign.get(pod) ?? 0) < this.#terms.limits.mostInFlight);
  }

  /** Whether a pod is open to a request; without one, to the smallest. */
  has(pod: Pod, wanted = NO_ROOM): boolean {
    return saturation(this.#loadOf(pod), wanted, this.#terms.limits).free;
  }

  /** About how long until a pod is open to the request, if nobody else is sent there; endless where nothing tells. */
  opensInMs(pod: Pod, wanted: WantedRoom): number {
    const { mostBacklogMs = Number.POSITIVE_INFINITY } = this.#terms.limits;
    const load = this.#loadOf(pod);
    const overBacklogMs = Math.max(0, load.backlogMs - mostBacklogMs);
    const lacking = lackingTokens(load, wanted, this.#terms.limits);
    if (lacking === 0) return overBacklogMs;
    const { firstTokenMs, decodeMs, promptTokensInFlight } = pod;
    if (firstTokenMs === undefined || decodeMs === undefined) return Number.POSITIVE_INFINITY;
    // Little's law: what is there leaves in the time that requests stay.
    const leavesInMs = (lacking / promptTokensInFlight) * (firstTokenMs + decodeMs);
    return Math.max(overBacklogMs, leavesInMs);
  }

  #loadOf(pod: Pod): PodLoad {
    const { nowMs, backlogMs } = this.#terms;
    const { inFlight, promptTokensInFlight, backlogTokens, facts } = pod;
    const { capacityTokens } = facts;
    const share = freshGauges(pod, nowMs)?.kvUsage === undefined ? undefined : pod.kvSharing.share;
    return {
      inFlight,
      foreign: this.#foreignLoads().get(pod) ?? 0,
      promptTokensInFlight,
      capacityTokens,
      backlogMs: backlogMs(pod),
      // What is not prefilled yet is not in the engine's figure.
      reportedKvTokens:
        share === undefined ? undefined : share * (promptTokensInFlight - backlogTokens) + backlogTokens,
    };
  }

  /** Empty where no pod has too many requests, whatever others have sent there. */
  #foreignLoads(): ReadonlyMap<Pod, number> {
    this.#foreign ??= mayBeFull(this.#pods, this.#terms) ? this.#foreignByPod() : new Map();
    return this.#foreign;
  }

  #foreignByPod(): Map<Pod, number> {
    const load = foreignLoad(this.#pods, this.#terms.nowMs, this.#terms.adopting);
    return new Map(this.#pods.map((pod, i) => [pod, load[i] as number]));
  }
}

/** Whether some pod may have too many requests. Those of others are at most all that an engine reports. */
function mayBeFull(pods: readonly Pod[], { limits }: RoomTerms): boolean {
  let mostOwn = 0;
  let mostReported = 0;
  for (const { inFlight, gauges } of pods) {
    mostOwn = Math.max(mostOwn, inFlight);
    if (gauges !== undefined) mostReported = Math.max(mostReported, reportedRequests(gauges));
  }
  return mostOwn + mostReported >= limits.mostInFlight;
}

function reportedRequests({ running = 0, waiting = 0 }: EngineGauges): number {
  return running + waiting;
}

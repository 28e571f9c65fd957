import type { ClaimChange } from "./confirmed-claims.ts";
import { EnginePaceMeter } from "./engine-pace.ts";
import { InFlightHistory } from "./in-flight-history.ts";
import { KvSharing } from "./kv-sharing.ts";
import { PodOutlook } from "./outlook/pod-outlook.ts";
import type { EngineGauges, Pod, PodFacts } from "./pod.ts";
import { textHash } from "./rendezvous.ts";

/** A pod as one push reports it. */
export type ReportedPod = {
  readonly facts: PodFacts;
  readonly gauges?: (EngineGauges & { readonly ageMs: number }) | undefined;
};

/** A push as the router needs it: local names already resolved to pod ids. */
export type ReportedPush = {
  readonly source: string;
  readonly instance: string;
  readonly sequence: number;
  readonly pods: readonly ReportedPod[];
  /** Ordered changes of what pods hold, by pod. One made for another epoch than the pod's is void. */
  readonly claims: readonly PodClaimChange[];
};

/** A change of one pod's claims. */
export type PodClaimChange = { readonly podId: string; readonly epoch: string; readonly change: ClaimChange };

/** What a report changed, for whoever keeps claims and leases by pod. */
export type RegistryChange =
  | { readonly kind: "restarted"; readonly pod: Pod }
  /** Its events tell all that it holds, and did not before. */
  | { readonly kind: "trusted"; readonly pod: Pod }
  | { readonly kind: "removed"; readonly pod: Pod };

/** The ready pods that serve a model, and those of them that were reported lately, as long as that holds. */
type ServingPods = { readonly all: readonly Pod[]; readonly fresh: readonly Pod[]; readonly holdsUntilMs: number };

/**
 * The pods of one model. Each source (collector) reports all of its pods each time: one it leaves out is gone. A pod
 * with leases stays, unready, until they are closed.
 */
export class PodRegistry {
  readonly #pods = new Map<string, Pod>();
  readonly #freeSlots: number[] = [];
  #nextSlot = 0;
  #ordered: readonly Pod[] = [];
  #version = 0;
  /** By model. Made at the first question after each report. */
  readonly #serving = new Map<string, ServingPods>();

  /** All pods in the order of their ids. */
  get pods(): readonly Pod[] {
    return this.#ordered;
  }

  get(id: string): Pod | undefined {
    return this.#pods.get(id);
  }

  /** Takes a source's whole list. `nowMs` is the router's clock. */
  report(source: string, reported: readonly ReportedPod[], nowMs: number): RegistryChange[] {
    this.#serving.clear();
    this.#version++;
    const changes: RegistryChange[] = [];
    const seen = new Set<string>();
    for (const { facts, gauges } of reported) {
      seen.add(facts.id);
      const pod = this.#pods.get(facts.id) ?? this.#add(source, facts, nowMs);
      if (pod.facts.epoch !== facts.epoch) {
        pod.paceMeter = new EnginePaceMeter();
        changes.push({ kind: "restarted", pod });
      } else if (pod.facts.index.mode !== "exact" && facts.index.mode === "exact") {
        changes.push({ kind: "trusted", pod });
      }
      pod.source = source;
      pod.facts = facts;
      pod.reportedAtMs = nowMs;
      pod.gauges = gauges;
      if (gauges !== undefined) {
        pod.gaugesAtMs = nowMs - gauges.ageMs;
        pod.leasesAtGauges = pod.history.at(pod.gaugesAtMs);
        const { kvUsage } = gauges;
        const { capacityTokens } = facts;
        if (kvUsage !== undefined && capacityTokens !== undefined) {
          pod.kvSharing.observe(kvUsage * capacityTokens, pod.history.startedTokensAt(pod.gaugesAtMs));
        }
      }
      pod.pace = gauges && pod.paceMeter.observe(gauges, pod.gaugesAtMs);
    }
    for (const pod of this.#ordered) {
      if (pod.source !== source || seen.has(pod.id)) continue;
      if (pod.inFlight > 0) pod.facts = { ...pod.facts, state: "draining" };
      else this.#remove(pod, changes);
    }
    return changes;
  }

  /** Brings back a pod from a checkpoint. */
  restore(source: string, facts: PodFacts, nowMs: number): Pod {
    return this.#pods.get(facts.id) ?? this.#add(source, facts, nowMs);
  }

  /** Another number after each report: as long as it stays, facts and gauges do. */
  get version(): number {
    return this.#version;
  }

  /**
   * The pods that may take a request for `model`: serving it, ready, not excluded, and reported within `freshMs`.
   * If every one of them is stale they stay routable: old knowledge is better than none.
   */
  routable(model: string, nowMs: number, freshMs: number, excluded: ReadonlySet<string>): readonly Pod[] {
    const { all, fresh } = this.#servingPods(model, nowMs, freshMs);
    const left = without(fresh, excluded);
    return left.length > 0 ? left : without(all, excluded);
  }

  #servingPods(model: string, nowMs: number, freshMs: number): ServingPods {
    const known = this.#serving.get(model);
    if (known !== undefined && nowMs <= known.holdsUntilMs) return known;
    const all = this.#ordered.filter(({ facts }) => facts.state === "ready" && facts.servedModels.includes(model));
    const fresh = all.filter(({ reportedAtMs }) => nowMs - reportedAtMs <= freshMs);
    const holdsUntilMs = Math.min(...fresh.map(({ reportedAtMs }) => reportedAtMs)) + freshMs;
    const serving = { all, fresh, holdsUntilMs };
    this.#serving.set(model, serving);
    return serving;
  }

  #add(source: string, facts: PodFacts, nowMs: number): Pod {
    const pod: Pod = {
      id: facts.id,
      hash: textHash(facts.id),
      slot: this.#freeSlots.pop() ?? this.#nextSlot++,
      source,
      facts,
      gauges: undefined,
      gaugesAtMs: nowMs,
      leasesAtGauges: 0,
      pace: undefined,
      paceMeter: new EnginePaceMeter(),
      reportedAtMs: nowMs,
      inFlight: 0,
      awaitingFirstToken: 0,
      backlogTokens: 0,
      promptTokensInFlight: 0,
      headSinceMs: nowMs,
      awaiting: new Map(),
      kvSharing: new KvSharing(),
      history: new InFlightHistory(),
      outlook: new PodOutlook(nowMs),
      hitYield: 1,
      requests: 0,
      promptTokens: 0,
      cachedTokens: 0,
      firstTokenMs: undefined,
      decodeMs: undefined,
    };
    this.#pods.set(pod.id, pod);
    this.#serving.clear();
    this.#version++;
    this.#sort();
    return pod;
  }

  #remove(pod: Pod, changes: RegistryChange[]): void {
    this.#pods.delete(pod.id);
    this.#freeSlots.push(pod.slot);
    this.#sort();
    changes.push({ kind: "removed", pod });
  }

  #sort(): void {
    this.#ordered = [...this.#pods.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}

function without(pods: readonly Pod[], excluded: ReadonlySet<string>): readonly Pod[] {
  return excluded.size === 0 ? pods : pods.filter(({ id }) => !excluded.has(id));
}

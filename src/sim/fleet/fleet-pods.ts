import { randomStream } from "../engine/random-stream.ts";
import { BlockCache } from "./block-cache.ts";
import type { EngineRequest } from "./engine-request.ts";
import { FleetEngine } from "./fleet-engine.ts";
import type { PodReport } from "./fleet-router.ts";
import type { FleetSetup, Incident } from "./fleet-setup.ts";
import { PodKnowledge } from "./pod-knowledge.ts";

/** What pods ask of the simulation. */
export type FleetPodsListener = {
  firstToken(index: number, pod: number): void;
  finished(index: number, pod: number): void;
  /** Call `stepEnd(pod)` at that time. */
  stepDue(pod: number, atMs: number): void;
  /** Call `reports` at that time. */
  reportDue(atMs: number): void;
};

/** Collectors push what has come in at most this often. */
const PUSH_INTERVAL_MS = 10;

/** The pods of a simulated fleet: engines, what happens to them, and what a router may know of them by now. */
export class FleetPods {
  readonly engines: FleetEngine[] = [];
  readonly #setup: FleetSetup;
  readonly #listener: FleetPodsListener;
  readonly #knowledge: PodKnowledge[] = [];
  readonly #up: boolean[] = [];
  readonly #scheduledMs: number[] = [];
  readonly #random: () => number;
  #nextPushMs = 0;
  #nowMs = 0;

  constructor(setup: FleetSetup, listener: FleetPodsListener) {
    this.#setup = setup;
    this.#listener = listener;
    this.#random = randomStream(setup.seed ^ 0x51f7);
    const joining = setup.incidents.reduce((most, { pod }) => Math.max(most, pod + 1), 0);
    const pool = setup.pooledCache ? new BlockCache(this.blocksPerPod * setup.pods, () => undefined) : undefined;
    for (let pod = 0; pod < Math.max(setup.pods, joining); pod++) this.#add(pod, pool);
  }

  get blocksPerPod(): number {
    return Math.floor(this.#setup.profile.kvTokens / this.#setup.rules.blockTokens);
  }

  /** Whether requests reach the pod. */
  isUp(pod: number): boolean {
    return this.#up[pod] === true;
  }

  /** Whether it should be sent any. */
  isReady(pod: number): boolean {
    return this.isUp(pod) && this.#knowledge[pod]?.ready === true;
  }

  /** A request arrives. False for one that the engine could never serve. */
  enqueue(pod: number, request: EngineRequest, nowMs: number): boolean {
    const engine = this.#at(pod, nowMs);
    if (!engine.canEverServe(request)) return false;
    engine.enqueue(request, nowMs);
    this.#schedule(pod);
    return true;
  }

  /** A step is due. A leap that was cut, or an engine that crashed, leaves its old date behind. */
  stepEnd(pod: number, nowMs: number): void {
    const engine = this.#at(pod, nowMs);
    if (engine.nextEventMs !== nowMs) return;
    engine.stepEnd(nowMs);
    this.#schedule(pod);
    if (!this.#setup.pooledCache) return;
    for (const [other, each] of this.engines.entries()) {
      each.wake(nowMs);
      this.#schedule(other);
    }
  }

  /** Reads all gauges. */
  scrape(nowMs: number): void {
    for (const knowledge of this.#knowledge) knowledge.scrape(nowMs);
  }

  /** What the router may know by now. Block changes are handed out once. */
  reports(nowMs: number): PodReport[] {
    return this.#knowledge.map((knowledge) => knowledge.report(nowMs));
  }

  /** Lets something happen to a pod. Returns the requests that are lost by it. */
  suffer(incident: Incident, nowMs: number): EngineRequest[] {
    const { pod } = incident;
    const engine = this.#at(pod, nowMs);
    const knowledge = this.#knowledge[pod] as PodKnowledge;
    switch (incident.kind) {
      case "slow":
        engine.slowdown = incident.factor;
        return [];
      case "drain":
        knowledge.ready = false;
        return [];
      case "up":
      case "join":
        this.#up[pod] = true;
        knowledge.ready = true;
        return [];
      case "down": {
        this.#up[pod] = false;
        knowledge.ready = false;
        knowledge.restarted();
        const lost = engine.crash();
        this.#schedule(pod);
        return lost;
      }
    }
  }

  #add(pod: number, pool: BlockCache | undefined): void {
    const { profile, rules, pods } = this.#setup;
    const engine = new FleetEngine({
      profile,
      rules,
      cache: pool,
      listener: {
        firstToken: ({ index }) => this.#listener.firstToken(index, pod),
        finished: ({ index }) => this.#listener.finished(index, pod),
        stored: (id, depth) => this.#changed(pod, id, depth),
        evicted: (id) => this.#changed(pod, id, -1),
      },
    });
    const started = pod < pods;
    const knowledge = new PodKnowledge(pod, engine);
    knowledge.ready = started;
    this.engines.push(engine);
    this.#knowledge.push(knowledge);
    this.#up.push(started);
    this.#scheduledMs.push(Number.POSITIVE_INFINITY);
  }

  /** The pod's engine; what it tells from here on happens now. */
  #at(pod: number, nowMs: number): FleetEngine {
    this.#nowMs = nowMs;
    return this.engines[pod] as FleetEngine;
  }

  #schedule(pod: number): void {
    const dueMs = (this.engines[pod] as FleetEngine).nextEventMs;
    if (dueMs === this.#scheduledMs[pod]) return;
    this.#scheduledMs[pod] = dueMs;
    if (dueMs !== Number.POSITIVE_INFINITY) this.#listener.stepDue(pod, dueMs);
  }

  #changed(pod: number, id: number, depth: number): void {
    const { lostEventShare, eventDelayMs, pooledCache } = this.#setup;
    if (pooledCache || (lostEventShare > 0 && this.#random() < lostEventShare)) return;
    const dueMs = Math.ceil((this.#nowMs + eventDelayMs) / PUSH_INTERVAL_MS) * PUSH_INTERVAL_MS;
    (this.#knowledge[pod] as PodKnowledge).note({ id, depth }, dueMs);
    if (dueMs === this.#nextPushMs) return;
    this.#nextPushMs = dueMs;
    this.#listener.reportDue(dueMs);
  }
}

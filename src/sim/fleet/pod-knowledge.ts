import type { FleetEngine } from "./fleet-engine.ts";
import type { BlockChange, PodReport } from "./fleet-router.ts";

/** Changes that wait for the moment when the router learns of them. */
type Batch = { readonly dueMs: number; readonly changes: BlockChange[] };

const NOTHING: readonly BlockChange[] = [];

/** What the router may know of one pod by now: its gauges as last scraped, and block changes after their delay. */
export class PodKnowledge {
  readonly #pod: number;
  readonly #engine: FleetEngine;
  #batches: Batch[] = [];
  #running = 0;
  #waiting = 0;
  #kvUsage = 0;
  #scrapedMs = 0;
  epoch = 1;
  ready = true;

  constructor(pod: number, engine: FleetEngine) {
    this.#pod = pod;
    this.#engine = engine;
  }

  /** Reads the engine's gauges. */
  scrape(nowMs: number): void {
    const { cache, runningCount, waiting } = this.#engine;
    this.#running = runningCount;
    this.#waiting = waiting.length;
    this.#kvUsage = cache.heldBlocks / cache.capacityBlocks;
    this.#scrapedMs = nowMs;
  }

  /** Notes a change that the router may know from `dueMs` on. */
  note(change: BlockChange, dueMs: number): void {
    const last = this.#batches.at(-1);
    if (last !== undefined && last.dueMs === dueMs) last.changes.push(change);
    else this.#batches.push({ dueMs, changes: [change] });
  }

  /** What was cached is gone, and so are the events on their way. */
  restarted(): void {
    this.#batches = [];
    this.epoch++;
  }

  /** The report of this moment. Changes due are handed out once. */
  report(nowMs: number): PodReport {
    let changes = NOTHING;
    while (this.#batches[0] !== undefined && this.#batches[0].dueMs <= nowMs) {
      const due = this.#batches[0].changes;
      changes = changes.length === 0 ? due : [...changes, ...due];
      this.#batches.shift();
    }
    return {
      pod: this.#pod,
      epoch: this.epoch,
      ready: this.ready,
      running: this.#running,
      waiting: this.#waiting,
      kvUsage: this.#kvUsage,
      ageMs: nowMs - this.#scrapedMs,
      changes,
    };
  }
}

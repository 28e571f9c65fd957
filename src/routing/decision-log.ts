import { type Random, seededRandom } from "./random.ts";
import {
  type MadeDecision,
  type RecordedDecision,
  type RecordedOutcome,
  recordedDecision,
} from "./recorded-decision.ts";
import { textHash } from "./rendezvous.ts";
import type { DecisionRules } from "./routing-rules.ts";

/** What is asked of the log. */
export type DecisionQuery = {
  /** The latest so many. */
  readonly limit: number;
  /** Only those decided at this time or later, on the router's clock. */
  readonly sinceMs?: number | undefined;
};

/** The log in figures. */
export type DecisionLogView = {
  readonly kept: number;
  /** About: what the kept ones take of memory. */
  readonly bytes: number;
  /** Since the router's start, those included that were pushed out since. */
  readonly recorded: number;
};

/** A decision that is to be recorded: the policy draws from `random`. */
export type DecisionSample = { readonly random: Random; readonly draws: readonly number[] };

type Kept = { decision: RecordedDecision; readonly bytes: number };

/** What a kept decision takes beside its lists, and an entry of those: measured, rounded up. */
const DECISION_BYTES = 3_072;
const CANDIDATE_BYTES = 832;
const NUMBER_BYTES = 16;
const HASH_BYTES = 40;
const WINDOW_BYTES = 512;

/**
 * The decisions that were recorded last, of one model: a share of all, drawn by a random source of its own, so that what
 * is decided does not depend on what is recorded. Bounded in number and in bytes; the oldest go first. Off, it costs a
 * comparison a request.
 */
export class DecisionLog {
  readonly #startedAtMs: number;
  readonly #random: Random;
  #rules: DecisionRules;
  /** Oldest first. */
  readonly #kept = new Map<number, Kept>();
  /** By lease: the number of its decision, while its outcome is not known. */
  readonly #running = new Map<string, number>();
  #bytes = 0;
  #recorded = 0;

  /** `name` seeds what is recorded. */
  constructor(rules: DecisionRules, name: string, startedAtMs: number) {
    this.#rules = rules;
    this.#random = seededRandom(textHash(name));
    this.#startedAtMs = startedAtMs;
  }

  configure(rules: DecisionRules): void {
    this.#rules = rules;
    this.#trim();
  }

  get view(): DecisionLogView {
    return { kept: this.#kept.size, bytes: this.#bytes, recorded: this.#recorded };
  }

  /** Whether the next decision is to be recorded; `random` is what it draws from. */
  sample(random: Random): DecisionSample | undefined {
    const { share } = this.#rules;
    if (share === 0 || this.#random() >= share) return undefined;
    const draws: number[] = [];
    return {
      draws,
      random: () => {
        const draw = random();
        draws.push(draw);
        return draw;
      },
    };
  }

  /** Keeps a decision. */
  keep(made: MadeDecision): void {
    const decision = recordedDecision(made, this.#startedAtMs, this.#rules.hashes);
    const number = this.#recorded++;
    const bytes = bytesOf(decision);
    this.#kept.set(number, { decision, bytes });
    this.#running.set(decision.lease, number);
    this.#bytes += bytes;
    this.#trim();
  }

  /** The first body byte came, `ttftMs` after the request was sent. */
  firstToken(leaseId: string, ttftMs: number): void {
    if (this.#running.size > 0) this.#note(leaseId, { ttftMs });
  }

  /** The request's lease was closed, or moved to another pod. Only the first end of a decision counts. */
  ended(leaseId: string, outcome: RecordedOutcome, nowMs: number): void {
    if (this.#running.size === 0) return;
    const { kind, promptTokens, cachedTokens, completionTokens } = outcome;
    const endedAtMs = nowMs - this.#startedAtMs;
    this.#note(leaseId, { kind, endedAtMs, promptTokens, cachedTokens, completionTokens });
    this.#running.delete(leaseId);
  }

  /** The latest decisions, oldest first. */
  latest({ limit, sinceMs = Number.NEGATIVE_INFINITY }: DecisionQuery): RecordedDecision[] {
    const wanted = [...this.#kept.values()].filter(({ decision }) => this.#startedAtMs + decision.atMs >= sinceMs);
    return wanted.slice(Math.max(0, wanted.length - limit)).map(({ decision }) => decision);
  }

  #note(leaseId: string, news: RecordedOutcome): void {
    const kept = this.#kept.get(this.#running.get(leaseId) ?? -1);
    if (kept !== undefined) kept.decision = { ...kept.decision, outcome: { ...kept.decision.outcome, ...news } };
  }

  #trim(): void {
    const { keep, mostBytes } = this.#rules;
    for (const [number, { decision, bytes }] of this.#kept) {
      if (this.#kept.size <= keep && this.#bytes <= mostBytes) return;
      this.#kept.delete(number);
      this.#bytes -= bytes;
      if (this.#running.get(decision.lease) === number) this.#running.delete(decision.lease);
    }
  }
}

function bytesOf({ candidates, columns, hashes = [], draws, memory }: RecordedDecision): number {
  const windows = (memory.servedTokens?.length ?? 0) + 3 * (memory.podPlacements?.length ?? 0);
  return (
    DECISION_BYTES +
    candidates.length * (CANDIDATE_BYTES + NUMBER_BYTES * columns.length) +
    HASH_BYTES * hashes.length +
    NUMBER_BYTES * (draws.length + 2 * (memory.coldPlacements?.length ?? 0)) +
    WINDOW_BYTES * windows
  );
}

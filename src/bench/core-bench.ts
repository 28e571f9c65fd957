import { loadSegmentHasher } from "../prefix/segment-hash.ts";
import { ConfirmedClaims } from "../routing/confirmed-claims.ts";
import type { KeptPod } from "../routing/kept-claims.ts";
import type { Placement } from "../routing/placement.ts";
import type { Pod, PodFacts } from "../routing/pod.ts";
import { type PodClaimChange, PodRegistry, type ReportedPush } from "../routing/pod-registry.ts";
import { seededRandom } from "../routing/random.ts";
import { Router } from "../routing/router.ts";
import { routingRules } from "../routing/routing-rules.ts";
import {
  batches,
  factsOf,
  oldSegmentsOf,
  promptsOf,
  pushOf,
  requestOf,
  SEGMENT_BYTES,
  storeOf,
  withNewTail,
} from "./core-workload.ts";

/** What the core bench runs on. */
export type CoreBenchOptions = {
  readonly pods: number;
  /** Segments of a prompt. */
  readonly segments: number;
  /** Claims in the index. */
  readonly pairs: number;
  readonly seconds: number;
  readonly seed: number;
  /** Share of the decisions that are recorded. */
  readonly recorded?: number;
};

/** One row of the core bench; units in the names. "A second" is one of processor time: others may share the machine. */
export type CoreBenchRow = {
  readonly pods: number;
  readonly segments: number;
  readonly pairs: number;
  readonly decisionsPerS: number;
  /** Decisions on prompts whose last sixteenth is new, as each turn's is, with the events that follow them. */
  readonly turnsPerS: number;
  readonly matchesPerS: number;
  readonly ingestSegmentsPerS: number;
  readonly bytesPerPair: number;
  /** Of the whole process, the bench's own prompts included, and what it was before the first claim. */
  readonly peakRssMb: number;
  readonly baseRssMb: number;
  readonly hash64KbMs: number;
  /** Copying all claims out of the index for storage, which a router does over many ticks. */
  readonly keepMs: number;
  /** From a checkpoint and those claims to a router that decides by them; reading storage not included. */
  readonly restoreMs: number;
};

const PROMPTS_PER_PUSH = 64;

/** Measures the routing core alone: no Durable Object, no network. */
export async function runCoreBench(options: CoreBenchOptions): Promise<CoreBenchRow> {
  const { pods, segments, pairs, seconds, seed, recorded = 0 } = options;
  const random = seededRandom(seed);
  const facts = Array.from({ length: pods }, (_, i) => factsOf(i));
  const prompts = promptsOf(pairs, segments, pods, random);
  const changes = prompts.map((prompt, i) => storeOf(facts[i % pods] as PodFacts, prompt));
  const pushes = batches(changes, PROMPTS_PER_PUSH).map((claims, i) => pushOf(facts, claims, i + 2));
  const baseRssMb = process.memoryUsage().rss / 2 ** 20;

  // What is measured once only must not begin with the compiler's warm-up.
  ingest(new Router({ instance: "warm-up", random, nowMs: 0 }), facts, pushes.slice(0, pushes.length / 8));
  const router = new Router({ instance: "bench", random, nowMs: 0 });
  // As in production, where each request brings the rules.
  router.configure(routingRules({ decisions: { share: recorded } }), 0);
  const ingestS = ingest(router, facts, pushes);
  const { confirmedClaims, indexBytes } = router.inspect();

  let nowMs = 1_000;
  const anyPrompt = () => prompts[Math.floor(random() * prompts.length)] as Uint32Array;
  const decide = (prompt: Uint32Array): Pod => {
    nowMs++;
    const { leaseId, pod } = placed(router.route(requestOf(prompt), nowMs));
    router.firstToken(leaseId, 50, nowMs);
    router.finish(leaseId, { kind: "completed" }, nowMs);
    return pod;
  };
  const decisionsPerS = rate(() => decide(anyPrompt()), seconds);
  const turns = new Turns(router, facts, pushes.length + 2);
  const turn = () => {
    const prompt = withNewTail(anyPrompt(), random);
    turns.answered(decide(prompt), prompt, nowMs);
  };
  const turnsPerS = rate(turn, seconds);
  const peakRssMb = process.resourceUsage().maxRSS / 1024;

  const index = indexOf(facts, changes);
  const matchesPerS = rate(() => index.match(anyPrompt()), seconds);

  const { kept, keepMs } = keep(router, nowMs);
  const restored = new Router({ instance: "restored", random, nowMs });
  const restoreStart = performance.now();
  restored.restore(router.snapshot(nowMs), nowMs);
  for (const pod of kept) restored.keeper.restore(pod, nowMs);
  const restoreMs = performance.now() - restoreStart;

  return {
    pods,
    segments,
    pairs: confirmedClaims,
    decisionsPerS,
    turnsPerS,
    matchesPerS,
    ingestSegmentsPerS: Math.round((prompts.length * segments) / ingestS),
    bytesPerPair: indexBytes / confirmedClaims,
    peakRssMb,
    baseRssMb,
    hash64KbMs: await hashMs(64 * 1024, seconds),
    keepMs,
    restoreMs,
  };
}

/** Takes every pod's claims for storage, as alarms do tick by tick. */
function keep(router: Router, nowMs: number): { readonly kept: readonly KeptPod[]; readonly keepMs: number } {
  const kept: KeptPod[] = [];
  const start = performance.now();
  for (let tick = router.keeper.take(nowMs); tick.length > 0; tick = router.keeper.take(nowMs)) kept.push(...tick);
  return { kept, keepMs: performance.now() - start };
}

/** The events of answered turns: each push stores the new tails of its turns and removes those of the push before. */
class Turns {
  readonly #router: Router;
  readonly #facts: readonly PodFacts[];
  #sequence: number;
  #stored: PodClaimChange[] = [];
  #old: PodClaimChange[] = [];

  constructor(router: Router, facts: readonly PodFacts[], sequence: number) {
    this.#router = router;
    this.#facts = facts;
    this.#sequence = sequence;
  }

  answered(pod: Pod, prompt: Uint32Array, nowMs: number): void {
    this.#stored.push(storeOf(pod.facts, prompt, oldSegmentsOf(prompt)));
    if (this.#stored.length < PROMPTS_PER_PUSH) return;
    this.#router.report(pushOf(this.#facts, [...this.#old, ...this.#stored], this.#sequence++), nowMs);
    this.#old = this.#stored.map(({ change, ...of }) => {
      const segments = change.kind === "store" ? change.segments : new Uint32Array();
      return { ...of, change: { kind: "remove", segments } };
    });
    this.#stored = [];
  }
}

/** Seconds of processor time that taking the pushes in costs. */
function ingest(router: Router, facts: readonly PodFacts[], pushes: readonly ReportedPush[]): number {
  router.report(pushOf(facts, [], 1), 0);
  return cpuSeconds(() => {
    for (const push of pushes) router.report(push, 1);
  });
}

function cpuSeconds(work: () => void): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1_000_000;
}

/** Calls per second of processor time, after a warm-up of a fifth of the time. */
function rate(work: () => void, seconds: number): number {
  const during = (spellS: number) => {
    let calls = 0;
    for (const end = performance.now() + 1_000 * spellS; performance.now() < end; calls += 50) {
      for (let i = 0; i < 50; i++) work();
    }
    return calls;
  };
  during(seconds / 5);
  let calls = 0;
  const spentS = cpuSeconds(() => {
    calls = during(seconds);
  });
  return Math.round(calls / spentS);
}

async function hashMs(bytes: number, seconds: number): Promise<number> {
  const hasher = await loadSegmentHasher();
  const text = new TextEncoder()
    .encode("The quick brown fox jumps over the lazy dog. ".repeat(bytes / 45 + 1))
    .slice(0, bytes);
  return 1_000 / rate(() => hasher.chain(text, 1n, SEGMENT_BYTES, 1_000), seconds / 2);
}

/** The index alone, with the same claims. */
function indexOf(facts: readonly PodFacts[], changes: readonly PodClaimChange[]): ConfirmedClaims {
  const registry = new PodRegistry();
  const pods = new Map(facts.map((each) => [each.id, registry.restore("bench", each, 0)]));
  const index = new ConfirmedClaims(() => Number.POSITIVE_INFINITY);
  for (const { podId, change } of changes) index.apply(pods.get(podId) as Pod, change);
  return index;
}

function placed(result: ReturnType<Router["route"]>): Placement {
  if (!result.ok) throw new Error(`the bench's own request was refused: ${result.reason}`);
  return result;
}

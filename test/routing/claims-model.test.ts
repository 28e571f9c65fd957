import fc from "fast-check";
import { expect, it } from "vitest";
import type { Pod } from "../../src/routing/pod.ts";
import { PodClaims } from "../../src/routing/pod-claims.ts";
import { PodColumns } from "../../src/routing/pod-columns.ts";
import { PodRegistry } from "../../src/routing/pod-registry.ts";
import type { SpeculativeClaim } from "../../src/routing/speculative-claims.ts";
import { ClaimsModel, segmentsOf } from "./claims-model.ts";

const PODS = 10;
const WORDS = 12;
const SOURCE = "s";
const TTL_MS = 20_000;
const CAPACITY = 9;
const MOST_SPECULATIVE = 100;

const pod = fc.nat(PODS - 1);
const word = fc.nat(WORDS - 1);
const words = fc.uniqueArray(word, { minLength: 1, maxLength: 8 });
const branches = [
  [0, 1, 2, 3, 4, 5, 6],
  [0, 1, 2, 7, 8],
  [9, 10, 11],
];
const prompt = fc
  .tuple(fc.constantFrom(...branches), fc.integer({ min: 1, max: 7 }))
  .map(([branch, length]) => branch.slice(0, length));
const tier = fc.constantFrom("gpu" as const, "host" as const);
const nth = fc.nat(20);
const operation = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant("store" as const), pod, tier, words, tokens: fc.nat(2_000_000) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("remove" as const), pod, words }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const), pod }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const), pod }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("leave and come back" as const), pod }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("claim" as const), pod, words: prompt }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restate" as const), pod }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("first token" as const), nth }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("failure" as const), nth }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("time" as const), ms: fc.integer({ min: 1, max: 9_000 }) }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** Some pods' events are trusted, some have none. */
const modeOf = (index: number) => (index % 3 === 2 ? ("approximate" as const) : ("exact" as const));

class Pair {
  readonly registry = new PodRegistry();
  readonly epochs = Array.from({ length: PODS }, () => 1);
  readonly claims: PodClaims;
  readonly model: ClaimsModel;
  /** Claims without a first token. */
  readonly open: { readonly index: number; readonly claim: SpeculativeClaim }[] = [];
  /** Claims of pods with trusted events that stand, in the order of their first tokens. */
  bridges: { readonly index: number; readonly claim: SpeculativeClaim; sinceMs: number | undefined }[] = [];
  nowMs = 0;

  constructor(mostIndexBytes: number) {
    this.claims = new PodClaims({ mostClaims: MOST_SPECULATIVE, ttlMs: TTL_MS, mostIndexBytes }, 0);
    this.model = new ClaimsModel(PODS, mostIndexBytes);
    this.report(() => true);
  }

  pod(index: number): Pod {
    return this.registry.get(`pod-${index}`) as Pod;
  }

  /** The pods as their collector tells them, those without the ones it leaves out. */
  report(told: (index: number) => boolean): void {
    const pods = this.epochs.flatMap((epoch, index) => {
      const [id, mode] = [`pod-${index}`, modeOf(index)];
      const of = { id, cluster: "c", epoch: String(epoch), url: "http://x", state: "ready" as const, servedModels: [] };
      return told(index) ? [{ facts: { ...of, index: { mode } } }] : [];
    });
    for (const { pod } of this.registry.report(SOURCE, pods, this.nowMs)) this.claims.clearPod(pod);
  }

  forgetPod(index: number): void {
    this.model.clear(index);
    this.bridges = this.bridges.filter((each) => each.index !== index);
    const others = this.open.filter((each) => each.index !== index);
    this.open.splice(0, this.open.length, ...others);
  }

  endBridges(ends: (bridge: Pair["bridges"][number]) => boolean): void {
    for (const bridge of this.bridges.filter(ends)) {
      this.bridges = this.bridges.filter((each) => each !== bridge);
      const others = this.bridges.filter(({ index }) => index === bridge.index).map(({ claim }) => claim);
      this.model.end(bridge.index, bridge.claim, others);
    }
  }

  apply(operation: Operation): void {
    switch (operation.kind) {
      case "store": {
        const tokens = Uint32Array.from(operation.words, (_, i) => operation.tokens + i);
        const segments = segmentsOf(operation.words);
        this.claims.apply(
          this.pod(operation.pod),
          { kind: "store", tier: operation.tier, segments, tokens },
          this.nowMs,
        );
        this.model.store(operation.pod, operation.tier, operation.words, tokens);
        this.endBridges(({ index, claim }) => {
          const last = claim.segments.at(Math.max(-claim.segments.length, -4)) as number;
          return index === operation.pod && this.model.isConfirmed(index, last);
        });
        return;
      }
      case "remove":
        this.claims.apply(
          this.pod(operation.pod),
          { kind: "remove", segments: segmentsOf(operation.words) },
          this.nowMs,
        );
        this.model.remove(operation.pod, operation.words);
        return;
      case "clear":
        this.claims.apply(this.pod(operation.pod), { kind: "clear" }, this.nowMs);
        this.model.clear(operation.pod);
        this.bridges = this.bridges.filter(({ index }) => index !== operation.pod);
        return;
      case "restate":
        this.claims.apply(this.pod(operation.pod), { kind: "restate" }, this.nowMs);
        this.model.restate(operation.pod);
        return;
      case "restart":
        this.epochs[operation.pod] = (this.epochs[operation.pod] as number) + 1;
        this.report(() => true);
        this.forgetPod(operation.pod);
        return;
      case "leave and come back":
        this.report((index) => index !== operation.pod);
        this.report(() => true);
        this.forgetPod(operation.pod);
        return;
      case "claim": {
        const segments = segmentsOf(operation.words);
        this.claims.match(segments);
        const claim = this.claims.claim(this.pod(operation.pod), segments, CAPACITY, PODS, this.nowMs);
        if (claim === undefined) return;
        this.model.claim(operation.pod, claim, TTL_MS, Math.min(CAPACITY, MOST_SPECULATIVE / PODS));
        this.open.push({ index: operation.pod, claim });
        if (modeOf(operation.pod) === "exact") {
          this.bridges.push({ index: operation.pod, claim, sinceMs: undefined });
        }
        return;
      }
      case "first token": {
        const [one] = this.open.splice(operation.nth % Math.max(1, this.open.length), 1);
        if (one === undefined) return;
        this.claims.settle(one.claim, this.nowMs);
        for (const bridge of this.bridges) if (bridge.claim === one.claim) bridge.sinceMs = this.nowMs;
        return;
      }
      case "failure": {
        const [one] = this.open.splice(operation.nth % Math.max(1, this.open.length), 1);
        if (one === undefined) return;
        this.claims.takeBack(one.claim);
        if (this.bridges.some(({ claim }) => claim === one.claim)) {
          this.endBridges(({ claim }) => claim === one.claim);
        } else this.model.takeBack(one.index, one.claim);
        return;
      }
      case "time": {
        this.nowMs += operation.ms;
        const patienceMs = Math.min(15_000, Math.max(1_000, 3 * this.claims.view.eventLagMs));
        this.claims.sweep(this.nowMs);
        this.endBridges(({ sinceMs }) => sinceMs !== undefined && this.nowMs - sinceMs > patienceMs);
      }
    }
  }

  /** Each pod's answer for each segment, as the claims have it and as the model has it. */
  expectEqual(): void {
    const { claims, model } = this;
    for (let one = 0; one < WORDS; one++) {
      claims.match(segmentsOf([one]));
      for (let index = 0; index < PODS; index++) {
        const { gpu, speculative } = model.pod(index);
        const tokens = gpu.get(one) ?? model.hostTokens(index, one);
        const confirmed = tokens === undefined ? 0 : 1;
        const found = claims.matchesOf(new PodColumns([this.pod(index)]), 0);
        expect(found.segments[0]).toBe(confirmed === 1 || speculative.has(one) ? 1 : 0);
        expect(found.tokens[0]).toBe(tokens ?? 0);
        expect(found.confirmedSegments[0]).toBe(confirmed);
        expect(found.hostSegments[0]).toBe(confirmed === 1 && !gpu.has(one) ? 1 : 0);
        expect(found).toMatchObject({ countedSegments: confirmed, countedTokens: tokens ?? 0 });
      }
    }
    for (let index = 0; index < PODS; index++) {
      const { gpu, speculative } = model.pod(index);
      const host = model.hostSize(index);
      expect(claims.podSizes(this.pod(index))).toEqual({
        confirmed: gpu.size + host,
        host,
        doubted: 0,
        speculative: speculative.size,
      });
    }
    expect(claims.view.droppedClaims).toBe(model.dropped);
  }
}

it("all claims equal a map of sets over stores, removals, clears, restarts, failures, expiry and lack of memory", () => {
  // Either a bound that everything runs into, with too few pods for crowds, whose own memory the model does not know.
  const tight = fc.integer({ min: 100, max: 2_500 }).map((mostBytes) => ({ mostBytes, pods: 7 }));
  const setting = fc.oneof(tight, fc.constant({ mostBytes: 60_000_000, pods: PODS }));
  fc.assert(
    fc.property(setting, fc.array(operation, { maxLength: 300, size: "max" }), ({ mostBytes, pods }, operations) => {
      const pair = new Pair(mostBytes);
      operations.forEach((operation, i) => {
        pair.apply("pod" in operation ? { ...operation, pod: operation.pod % pods } : operation);
        expect(pair.model.bytes()).toBeLessThanOrEqual(mostBytes);
        if (i % 50 === 0) pair.expectEqual();
      });
      pair.expectEqual();
    }),
    { numRuns: 100 },
  );
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ClaimChange } from "../../src/routing/confirmed-claims.ts";
import type { KeptPod } from "../../src/routing/kept-claims.ts";
import type { PodFacts } from "../../src/routing/pod.ts";
import type { PodClaimChange } from "../../src/routing/pod-registry.ts";
import { seededRandom } from "../../src/routing/random.ts";
import { Router } from "../../src/routing/router.ts";
import type { RouterSnapshot } from "../../src/routing/router-snapshot.ts";

const SOURCE = "local/node";
const TICK_MS = 61_000;

/** A pod as its collector knows it: segments by tier. A segment is one number here. */
type PodTruth = { epoch: number; readonly tiers: Map<number, "gpu" | "host"> };

/** One collector with its pods and what a router's storage holds, with the router in between. */
class Stage {
  router = this.#newRouter();
  nowMs = 0;
  readonly pods: PodTruth[] = [0, 1].map(() => ({ epoch: 1, tiers: new Map() }));
  readonly #waiting: PodClaimChange[] = [];
  #sequence = 0;
  #snapshot: RouterSnapshot | undefined;
  readonly #rows = new Map<string, KeptPod>();

  #newRouter(): Router {
    return new Router({ instance: "r", random: seededRandom(1), nowMs: 0 });
  }

  change(pod: number, change: ClaimChange): void {
    this.#waiting.push({ podId: `pod-${pod}`, epoch: String(this.pods[pod]?.epoch), change });
  }

  store(pod: number, tier: "gpu" | "host", segments: readonly number[]): void {
    for (const segment of segments) this.pods[pod]?.tiers.set(segment, tier);
    this.change(pod, { kind: "store", tier, segments: words(segments), tokens: Uint32Array.from(segments) });
  }

  remove(pod: number, segments: readonly number[]): void {
    for (const segment of segments) this.pods[pod]?.tiers.delete(segment);
    this.change(pod, { kind: "remove", segments: words(segments) });
  }

  restart(pod: number): void {
    const truth = this.pods[pod] as PodTruth;
    truth.epoch++;
    truth.tiers.clear();
    this.change(pod, { kind: "clear" });
  }

  /** Sends what waits, then does what the router asks for: with the next push, as a collector does. */
  push(): void {
    this.nowMs += 100;
    this.router.report(
      {
        source: SOURCE,
        instance: "i",
        sequence: ++this.#sequence,
        pods: this.pods.map(({ epoch }, i) => ({ facts: factsOf(`pod-${i}`, epoch) })),
        claims: this.#waiting.splice(0),
      },
      this.nowMs,
    );
    for (const { podId, remedy } of this.router.unsureOf(SOURCE)) {
      const pod = Number(podId.slice(4));
      const held = (tier: "gpu" | "host") =>
        [...(this.pods[pod] as PodTruth).tiers].flatMap(([segment, its]) => (its === tier ? [segment] : []));
      if (remedy === "check") {
        this.change(pod, { kind: "check", gpu: sums(held("gpu")), host: sums(held("host")) });
        continue;
      }
      this.change(pod, { kind: "restate" });
      this.store(pod, "gpu", held("gpu"));
      this.store(pod, "host", held("host"));
    }
  }

  /** What an alarm writes: all of it at once. */
  tick(): void {
    this.nowMs += TICK_MS;
    this.#snapshot = this.router.snapshot(this.nowMs);
    for (const kept of this.router.keeper.take(this.nowMs)) {
      if (kept.claims === undefined) this.#rows.delete(kept.podId);
      else this.#rows.set(kept.podId, kept);
    }
  }

  /** The router is gone; the next one has what was written. */
  crash(): void {
    this.router = this.#newRouter();
    if (this.#snapshot === undefined) return;
    this.router.restore(this.#snapshot, this.nowMs);
    for (const row of this.#rows.values()) this.router.keeper.restore(row, this.nowMs);
  }

  /** Confirmed segments of a pod, as `segment tier`. */
  confirmed(pod: number): string[] {
    const claims = this.router.confirmedOf(`pod-${pod}`);
    return (["gpu", "host"] as const).flatMap((tier) =>
      Array.from(claims?.[tier] ?? [])
        .filter((_, i) => i % 2 === 0)
        .map((low) => `${low} ${tier}`),
    );
  }
}

function words(segments: readonly number[]): Uint32Array {
  return Uint32Array.from(segments.flatMap((segment) => [segment, ~segment]));
}

function sums(segments: readonly number[]) {
  const total = { low: 0, high: 0 };
  for (const segment of segments) {
    total.low = (total.low + segment) >>> 0;
    total.high = (total.high + (~segment >>> 0)) >>> 0;
  }
  return total;
}

function factsOf(id: string, epoch: number): PodFacts {
  return {
    id,
    cluster: "local",
    epoch: String(epoch),
    url: "http://a",
    state: "ready",
    servedModels: ["m"],
    capacityTokens: 100_000,
    index: { mode: "exact" },
  };
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

function stageWith(segments: readonly number[]): Stage {
  const stage = new Stage();
  stage.push();
  stage.push();
  stage.store(0, "gpu", segments);
  stage.push();
  return stage;
}

function match(stage: Stage, segments: readonly number[]) {
  const placed = stage.router.route(
    {
      model: "m",
      policy: "warmpath",
      segments: words(segments),
      segmentBytes: 256,
      promptBytes: 256 * segments.length,
      choices: 1,
    },
    stage.nowMs,
  );
  if (!placed.ok) throw new Error(placed.reason);
  return { podId: placed.pod.id, matchedTokens: placed.matchedTokens };
}

describe("claims over a restart", () => {
  it("guide requests as guesses, and are confirmed by nothing but their collector's sums", () => {
    const stage = stageWith(range(1, 101));
    stage.tick();
    stage.crash();
    expect(stage.router.inspect()).toMatchObject({ confirmedClaims: 0, doubtedClaims: 100 });
    const { podId, matchedTokens } = match(stage, range(1, 101));
    expect(podId).toBe("pod-0");
    expect(matchedTokens).toBeGreaterThan(90);
    stage.push();
    expect(stage.router.unsureOf(SOURCE)).toContainEqual({ podId: "pod-0", remedy: "check" });
    expect(stage.router.inspect().confirmedClaims).toBe(0);
    stage.push();
    expect(stage.router.inspect()).toMatchObject({ confirmedClaims: 100, doubtedClaims: 0 });
    expect(stage.router.unsureOf(SOURCE)).toEqual([]);
  });

  it("are asked for anew where the sums differ, and stay guesses until they come", () => {
    const stage = stageWith(range(1, 101));
    stage.tick();
    stage.remove(0, range(51, 101));
    stage.push();
    stage.crash();
    stage.push();
    stage.push();
    expect(stage.router.unsureOf(SOURCE)).toEqual([{ podId: "pod-0", remedy: "resync" }]);
    expect(stage.router.inspect()).toMatchObject({ confirmedClaims: 0, doubtedClaims: 100 });
    stage.push();
    expect(stage.router.inspect()).toMatchObject({ confirmedClaims: 50, doubtedClaims: 0 });
  });

  it("of a pod that restarted meanwhile are gone with its first report", () => {
    const stage = stageWith(range(1, 101));
    stage.tick();
    stage.crash();
    stage.restart(0);
    stage.push();
    expect(stage.router.inspect()).toMatchObject({ confirmedClaims: 0, doubtedClaims: 0 });
    expect(match(stage, range(1, 101)).matchedTokens).toBe(0);
  });

  it("do not outlive the pod in storage", () => {
    const stage = stageWith(range(1, 101));
    stage.tick();
    stage.router.report({ source: SOURCE, instance: "i", sequence: 99, pods: [], claims: [] }, stage.nowMs);
    expect(stage.router.keeper.take(stage.nowMs + TICK_MS).filter(({ claims }) => claims === undefined)).toHaveLength(
      2,
    );
    expect(stage.router.keeper.isBehind).toBe(false);
  });

  it("of pods without events come back as the guesses they were, the last touched to outlive the others", () => {
    const approximate = { ...factsOf("a", 1), index: { mode: "approximate" as const } };
    const before = new Router({ instance: "r", random: seededRandom(1), nowMs: 0 });
    before.report({ source: SOURCE, instance: "i", sequence: 1, pods: [{ facts: approximate }], claims: [] }, 0);
    const request = (segments: readonly number[], atMs: number, router = before) =>
      router.route(
        {
          model: "m",
          policy: "warmpath",
          segments: words(segments),
          segmentBytes: 256,
          promptBytes: 5_120,
          choices: 1,
        },
        atMs,
      );
    request(range(1, 21), 1);
    request(range(101, 121), 2);
    const [kept] = before.keeper.take(10);
    expect(kept?.claims?.guesses.length).toBe(2 * 40);
    expect(kept?.claims?.guesses[0]).toBe(101);
    const after = new Router({ instance: "r2", random: seededRandom(1), nowMs: 20 });
    after.restore(before.snapshot(10), 20);
    after.keeper.restore(kept as KeptPod, 20);
    expect(after.inspect()).toMatchObject({ confirmedClaims: 0, speculativeClaims: 40 });
    const placed = request(range(1, 21), 30, after);
    expect(placed.ok && placed.matchedTokens).toBeGreaterThan(0);
  });

  it("are never confirmed falsely, and right in the end, whatever was written when", () => {
    const segments = fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { maxLength: 10 });
    const pod = fc.nat(1);
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant("store" as const), pod, segments, host: fc.boolean() }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant("remove" as const), pod, segments }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant("push" as const) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("tick" as const) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("crash" as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const), pod }) },
    );
    const truths = (stage: Stage, index: number) =>
      [...(stage.pods[index] as PodTruth).tiers].map(([segment, tier]) => `${segment} ${tier}`).sort();
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 80 }), (steps) => {
        const stage = new Stage();
        stage.push();
        for (const one of steps) {
          if (one.do === "store") stage.store(one.pod, one.host ? "host" : "gpu", one.segments);
          else if (one.do === "remove") stage.remove(one.pod, one.segments);
          else stage[one.do]("pod" in one ? one.pod : 0);
          if (one.do !== "push") continue;
          // All that the collector knew is sent: whatever is confirmed now has to hold.
          for (const index of [0, 1]) {
            const truth = new Set(truths(stage, index));
            expect(stage.confirmed(index).filter((claim) => !truth.has(claim))).toEqual([]);
          }
        }
        for (let i = 0; i < 4; i++) stage.push();
        expect(stage.router.unsureOf(SOURCE)).toEqual([]);
        for (const index of [0, 1]) expect(stage.confirmed(index).sort()).toEqual(truths(stage, index));
      }),
      { numRuns: 500 },
    );
  });
});

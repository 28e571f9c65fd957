import { describe, expect, it } from "vitest";
import { hitTokens } from "../../src/routing/candidates.ts";
import { HitTruth } from "../../src/routing/hit-truth.ts";
import type { Placement, RouteRequest } from "../../src/routing/placement.ts";
import type { IndexState } from "../../src/routing/pod.ts";
import type { PodClaimChange } from "../../src/routing/pod-registry.ts";
import { seededRandom } from "../../src/routing/random.ts";
import { Router } from "../../src/routing/router.ts";

const podId = "local/default/a/8000";

function harness(index: IndexState) {
  const router = new Router({ instance: "r", random: seededRandom(1), nowMs: 0 });
  let sequence = 0;
  const push = (nowMs: number, ...changes: PodClaimChange["change"][]) =>
    router.report(
      {
        source: "s",
        instance: "i",
        sequence: ++sequence,
        pods: [
          {
            facts: {
              id: podId,
              cluster: "local",
              epoch: "1",
              url: "http://a",
              state: "ready",
              servedModels: ["m"],
              capacityTokens: 100_000,
              blockTokens: 16,
              index,
            },
          },
        ],
        claims: changes.map((change) => ({ podId, epoch: "1", change })),
      },
      nowMs,
    );
  push(0);
  return { router, push };
}

const prompt = (segments: number) => Uint32Array.from({ length: 2 * segments }, (_, i) => i + 1);
const store = (segments: Uint32Array, tokensEach: number): PodClaimChange["change"] => ({
  kind: "store",
  tier: "gpu",
  segments,
  tokens: Uint32Array.from({ length: segments.length / 2 }, (_, i) => (i + 1) * tokensEach),
});

function route(router: Router, segments: Uint32Array, nowMs: number): Placement {
  const request: RouteRequest = {
    model: "m",
    policy: "warmpath",
    segments,
    segmentBytes: 256,
    promptBytes: segments.length * 128 + 100,
    choices: 1,
  };
  const placed = router.route(request, nowMs);
  if (!placed.ok) throw new Error(placed.reason);
  return placed;
}

describe("claims of a pod whose events are exact", () => {
  it("predict the hit in tokens as the events counted them and half a segment more, in full blocks", () => {
    const { router, push } = harness({ mode: "exact" });
    push(10, store(prompt(10), 51));
    const placed = route(router, prompt(20), 20);
    const { bytesPerToken } = router.inspect().rates;
    expect(placed.matchedTokens).toBe(Math.floor((510 + 128 / bytesPerToken) / 16) * 16);
  });

  it("teach how many bytes a token has", () => {
    const { router, push } = harness({ mode: "exact" });
    const before = router.inspect().rates.bytesPerToken;
    for (let i = 1; i <= 50; i++) push(i, store(prompt(40), 32));
    const { bytesPerToken } = router.inspect().rates;
    expect(bytesPerToken).toBeGreaterThan(before);
    expect(Math.abs(bytesPerToken - 8)).toBeLessThan(1);
  });

  it("are bridged by speculative ones until the events come, which then take over", () => {
    const { router, push } = harness({ mode: "exact" });
    const first = route(router, prompt(10), 10);
    expect(route(router, prompt(10), 11).matchedTokens).toBeGreaterThan(0);
    router.firstToken(first.leaseId, 100, 110);
    push(400, store(prompt(10), 51));
    expect(router.inspect()).toMatchObject({ confirmedClaims: 10, pods: [{ claims: { confirmed: 10 } }] });
    expect(router.inspect()).toMatchObject({ speculativeClaims: 0 });
    expect(router.inspect().eventLagMs).toBeLessThan(1_000);
  });

  it("do not outlive a removal that comes in the same push as the store", () => {
    const { router, push } = harness({ mode: "exact" });
    const { leaseId } = route(router, prompt(10), 10);
    router.firstToken(leaseId, 100, 110);
    push(400, store(prompt(10), 51), { kind: "remove", segments: prompt(10).subarray(8) });
    expect(router.inspect()).toMatchObject({ confirmedClaims: 4, speculativeClaims: 0 });
  });

  it("are handed over though the last segment ends in a block that is not full, and none was announced for it", () => {
    const { router, push } = harness({ mode: "exact" });
    route(router, prompt(10), 10);
    push(400, store(prompt(9), 51));
    expect(router.inspect()).toMatchObject({ confirmedClaims: 9, speculativeClaims: 0 });
  });

  it("lose a speculative claim whose events never come", () => {
    const { router } = harness({ mode: "exact" });
    const { leaseId } = route(router, prompt(10), 10);
    router.sweep(9_000);
    expect(router.inspect().speculativeClaims, "while the first token is awaited").toBe(10);
    router.renew(leaseId, 9_000);
    router.firstToken(leaseId, 8_990, 9_000);
    router.sweep(11_000);
    expect(router.inspect().speculativeClaims).toBe(10);
    router.sweep(13_000);
    expect(router.inspect().speculativeClaims).toBe(0);
  });

  it("follow removals and clears exactly", () => {
    const { router, push } = harness({ mode: "exact" });
    push(10, store(prompt(10), 64), { kind: "remove", segments: prompt(10).subarray(12) });
    expect(route(router, prompt(10), 20).matchedTokens).toBe(6 * 64 + 32);
    push(30, { kind: "clear" });
    expect(router.inspect()).toMatchObject({ confirmedClaims: 0, speculativeClaims: 0 });
  });
});

describe("claims that nobody can tell any more", () => {
  it("become guesses: they match, and no longer count as confirmed", () => {
    const { router, push } = harness({ mode: "mixed" });
    push(10, store(prompt(10), 64), { kind: "doubt" });
    expect(router.inspect()).toMatchObject({ confirmedClaims: 0, speculativeClaims: 10 });
    expect(route(router, prompt(10), 20).matchedTokens).toBeGreaterThan(500);
  });

  it("are void on a restatement, guesses beside them are not", () => {
    const { router, push } = harness({ mode: "mixed" });
    push(10, store(prompt(4), 64), { kind: "doubt" }, store(prompt(10), 64), { kind: "restate" });
    expect(router.inspect()).toMatchObject({ confirmedClaims: 0, speculativeClaims: 4 });
  });

  it("go where a pod's events say so", () => {
    const { router, push } = harness({ mode: "mixed" });
    push(10, store(prompt(10), 64), { kind: "doubt" }, { kind: "remove", segments: prompt(10).subarray(8) });
    expect(router.inspect()).toMatchObject({ speculativeClaims: 4 });
  });
});

describe("claims of a pod without trusted events", () => {
  it("stay for as long as the cache has room", () => {
    const { router } = harness({ mode: "approximate" });
    const { leaseId } = route(router, prompt(10), 10);
    router.firstToken(leaseId, 100, 110);
    router.finish(leaseId, { kind: "completed" }, 200);
    router.sweep(60_000);
    expect(route(router, prompt(10), 60_001).matchedTokens).toBeGreaterThan(500);
  });
});

describe("hit tokens", () => {
  it.each([
    [100, 1_000, 16, 96],
    [1_000, 1_000, 16, 992],
    [1_008, 1_008, 16, 992],
    [5_000, 1_000, 16, 992],
    [0, 10, 16, 0],
    [9, 10, 1, 9],
  ])("of %i held tokens of a prompt of %i in blocks of %i are %i", (held, prompt, block, hit) => {
    expect(hitTokens(held, prompt, block)).toBe(hit);
  });
});

describe("truth", () => {
  it("tells predictions that were right, short and long apart", () => {
    const truth = new HitTruth();
    truth.observe(1_000, 1_000, 80);
    truth.observe(920, 1_000, 80);
    truth.observe(0, 1_000, 80);
    truth.observe(500, 0, 80);
    const view = truth.view();
    expect(view).toMatchObject({ answers: 4, withinShare: 0.5 });
    expect(view.missedHitShare).toBeCloseTo(1_080 / 3_000);
    expect(view.overstatedShare).toBeCloseTo(500 / 2_420);
    expect(view.signedErrorTokens).toEqual({ p1: -1_000, p50: 0, p99: 500 });
  });

  it("is kept by the router from answers that report their cached tokens", () => {
    const { router, push } = harness({ mode: "exact" });
    push(10, store(prompt(10), 64));
    const { leaseId } = route(router, prompt(10), 20);
    router.finish(leaseId, { kind: "completed", promptTokens: 700, cachedTokens: 640 }, 30);
    expect(router.inspect().truth).toMatchObject({ answers: 1, withinShare: 1, missedHitShare: 0 });
  });
});

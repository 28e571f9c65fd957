import { describe, expect, it } from "vitest";
import type { Arrival } from "../../src/routing/arrival.ts";
import { Dispatch } from "../../src/routing/dispatch.ts";
import { HeldRequests } from "../../src/routing/held-requests.ts";
import type { Placement, RouteRefusal, RouteRequest } from "../../src/routing/placement.ts";
import type { PodChoice } from "../../src/routing/placer.ts";
import type { Pod, PodFacts } from "../../src/routing/pod.ts";
import { PodRegistry } from "../../src/routing/pod-registry.ts";
import { workCostAt } from "../../src/routing/queue/stretch-order.ts";
import { seededRandom } from "../../src/routing/random.ts";
import { Router } from "../../src/routing/router.ts";
import { type GivenRules, routingRules } from "../../src/routing/routing-rules.ts";
import { named } from "./policies/policy-fixtures.ts";

const SEGMENT_TOKENS = 64;

const facts = (name: string): PodFacts => ({
  id: name,
  cluster: "local",
  epoch: "1",
  url: `http://${name}:8000`,
  state: "ready",
  servedModels: ["m"],
  capacityTokens: 100_000,
  index: { mode: "approximate" },
});

/** The first segments of one conversation: equal for equal names. */
function segments(conversation: number, tokens: number): Uint32Array {
  return Uint32Array.from({ length: 2 * Math.floor(tokens / SEGMENT_TOKENS) }, (_, i) => conversation * 100_003 + i);
}

function fleet(names: readonly string[], policy: string, rules: GivenRules = {}) {
  const released = new Map<string, Placement | RouteRefusal>();
  const router = new Router({
    instance: "r",
    random: seededRandom(1),
    nowMs: 0,
    released: (heldId, result) => released.set(heldId, result),
  });
  router.configure(routingRules(rules), 0);
  const pods = names.map((name) => ({ facts: facts(name) }));
  router.report({ source: "s", instance: "i", sequence: 1, pods, claims: [] }, 0);
  let strangers = 1_000;
  /** A prompt of so many tokens; `conversation` tells which prompt it grows from, or none. */
  const ask = (nowMs: number, tokens: number, change: Partial<RouteRequest> & { conversation?: number } = {}) => {
    const { conversation = strangers++, ...request } = change;
    const prompt = { segments: segments(conversation, tokens), segmentBytes: 4 * SEGMENT_TOKENS };
    const lengths = { promptBytes: 4 * tokens, promptTokens: tokens, choices: 1, mostOutputTokens: 10 };
    return router.route({ model: "m", policy, ...prompt, ...lengths, ...request }, nowMs);
  };
  const placed = (...args: Parameters<typeof ask>): Placement => {
    const result = ask(...args);
    if (!result.ok) throw new Error(`not placed: ${result.reason}`);
    return result;
  };
  const held = (...args: Parameters<typeof ask>): string => {
    const result = ask(...args);
    if (result.ok || result.reason !== "held") throw new Error(`not held: ${JSON.stringify(result)}`);
    return result.heldId;
  };
  /** Which pod a held request has got. */
  const podOf = (heldId: string): string | undefined => {
    const result = released.get(heldId);
    return result?.ok ? result.pod.id : undefined;
  };
  return { router, released, ask, placed, held, podOf };
}

/** Two pods, one of which has conversation 1, 20,000 tokens, in its cache and then so much else to prefill. */
function warmAndBusy(policy: string, busyTokens: number) {
  const made = fleet(["a", "b"], policy);
  const { leaseId, pod } = made.placed(0, 20_000, { conversation: 1 });
  made.router.firstToken(leaseId, 1_300, 1_300);
  made.router.finish(leaseId, { kind: "completed" }, 1_400);
  const cold = pod.id === "a" ? "b" : "a";
  const busy = made.placed(2_000, busyTokens, { excludedPods: [cold] });
  return { ...made, warm: pod.id, cold, busy };
}

describe("a request whose best pod is not open", () => {
  it("waits for its warm pod where that is cheaper than a cold one that is open", () => {
    const { router, ask, held, podOf, warm, cold, busy } = warmAndBusy("warmpath", 10_000);
    const followUp = held(2_001, 20_100, { conversation: 1 });
    expect(ask(2_002, 5_000)).toMatchObject({ ok: true, pod: { id: cold } });
    router.firstToken(busy.leaseId, 600, 2_600);
    expect(podOf(followUp)).toBe(warm);
  });

  it("lets others have an open pod, also those that could not wait as long as it does", () => {
    const { ask, held, cold } = warmAndBusy("warmpath", 10_000);
    for (let i = 0; i < 3; i++) held(2_001, 20_100, { conversation: 1 });
    expect(ask(2_002, 2_000, { sloTtftMs: 400 })).toMatchObject({ ok: true, pod: { id: cold } });
  });

  it("goes to the cold one where the warm one is too busy", () => {
    const { ask, cold } = warmAndBusy("warmpath", 90_000);
    expect(ask(2_001, 20_100, { conversation: 1 })).toMatchObject({ ok: true, pod: { id: cold } });
  });

  it("counts there for those behind it, so that a burst for one warm pod spreads", () => {
    const { ask, warm, cold } = warmAndBusy("warmpath", 10_000);
    const burst = Array.from({ length: 12 }, (_, i) => ask(2_001 + i, 26_000, { conversation: 1, key: `k${i}` }));
    expect(burst[0]).toMatchObject({ reason: "held" });
    const pods = burst.flatMap((result) => (result.ok ? [result.pod.id] : []));
    expect(pods).toContain(cold);
    expect(pods).not.toContain(warm);
  });

  it("leaves no trace on the pods while it waits", () => {
    const { router, held, warm } = warmAndBusy("warmpath", 10_000);
    const loadOf = () => router.inspect().pods.find(({ id }) => id === warm);
    const before = loadOf();
    for (let i = 0; i < 3; i++) held(2_001 + i, 20_100, { conversation: 1 });
    expect(loadOf()).toEqual(before);
  });

  it("waits in proportion to the prefill it saves where its policy does not weigh the wait", () => {
    const { ask, held, cold } = warmAndBusy("prefix-cache", 20_000);
    held(2_001, 20_100, { conversation: 1 });
    const little = warmAndBusy("prefix-cache", 20_000);
    expect(little.ask(2_001, 3_000, { conversation: 1 })).toMatchObject({ ok: true, pod: { id: little.cold } });
    // Who went on to another pod does not stand in the way of those behind.
    expect(ask(2_002, 2_000)).toMatchObject({ ok: true, pod: { id: cold } });
  });

  it("does not wait for longer than it has until its deadline", () => {
    const asks = { conversation: 1, deadlineMs: 10_000 };
    expect(warmAndBusy("prefix-cache", 40_000).ask(2_001, 20_100, asks)).toMatchObject({ reason: "held" });
    const { ask, cold } = warmAndBusy("prefix-cache", 40_000);
    expect(ask(2_001, 20_100, { ...asks, deadlineMs: 500 })).toMatchObject({ ok: true, pod: { id: cold } });
  });

  it("does not wait for one whose memory stays full for longer than that", () => {
    const made = fleet(["a", "b"], "prefix-cache");
    const warm = made.placed(0, 40_000, { conversation: 1 });
    made.router.firstToken(warm.leaseId, 1_000, 1_000);
    made.router.finish(warm.leaseId, { kind: "completed" }, 60_000);
    const excludedPods = [warm.pod.id === "a" ? "b" : "a"];
    const { leaseId } = made.placed(60_000, 90_000, { conversation: 1, excludedPods });
    made.router.firstToken(leaseId, 1_000, 61_000);
    expect(made.ask(62_000, 40_100, { conversation: 1 })).toMatchObject({ ok: true, pod: { id: excludedPods[0] } });
  });

  it("takes an open one where its policy knows nothing of warm pods", () => {
    const { ask, cold } = warmAndBusy("round-robin", 10_000);
    for (let i = 0; i < 3; i++) expect(ask(2_001 + i, 100)).toMatchObject({ ok: true, pod: { id: cold } });
  });

  it("does not wait for one that has too many requests while another is open", () => {
    const { router, placed, ask } = fleet(["a", "b"], "prefix-cache", { queue: { mostInFlight: 1 } });
    const first = placed(0, 20_000, { conversation: 1 });
    router.firstToken(first.leaseId, 1_300, 1_300);
    const second = ask(1_400, 20_100, { conversation: 1 });
    expect(second).toMatchObject({ ok: true });
    expect(second.ok && second.pod.id).not.toBe(first.pod.id);
  });
});

describe("a pod's KV memory", () => {
  /** One pod with so many prompts of 10,000 tokens running, which then reports its gauge. */
  function running(requests: number, kvUsage: number) {
    const made = fleet(["a"], "least-request");
    const start = (nowMs: number) => made.router.firstToken(made.placed(nowMs, 10_000).leaseId, 100, nowMs + 100);
    for (let i = 0; i < requests; i++) start(1_000 * i);
    const gauges = { running: requests, waiting: 0, kvUsage, ageMs: 0 };
    const pods = [{ facts: facts("a"), gauges }];
    made.router.report({ source: "s", instance: "i", sequence: 2, pods, claims: [] }, 5_000);
    return { ...made, start };
  }

  it("fills by what has been sent since its gauge was read", () => {
    const { start, held } = running(1, 0.1);
    for (let i = 0; i < 8; i++) start(5_100 + 200 * i);
    held(7_000, 10_000);
  });

  it("is not taken to be empty because it was when its gauge was read", () => {
    const { start, held } = running(0, 0);
    for (let i = 0; i < 9; i++) start(5_100 + 200 * i);
    held(7_000, 10_000);
  });

  it("holds more prompts where the engine tells that they share most of it", () => {
    const { start, placed } = running(4, 0.1);
    for (let i = 0; i < 12; i++) start(5_100 + 200 * i);
    expect(placed(8_000, 10_000)).toMatchObject({ ok: true });
  });
});

describe.each(["warmpath", "least-request"])("the order by %s", (policy) => {
  it("lets nobody past the first that waits for a pod's memory", () => {
    const { router, placed, held, podOf, released } = fleet(["a"], policy);
    const running = Array.from({ length: 9 }, (_, i) => {
      const { leaseId } = placed(1_000 * i, 10_000);
      router.firstToken(leaseId, 600, 1_000 * i + 600);
      return leaseId;
    });
    const large = held(10_000, 30_000, { priority: 1 });
    const small = held(10_001, 1_000);
    router.sweep(10_002);
    expect(released.size).toBe(0);
    for (const leaseId of running.slice(0, 3)) router.finish(leaseId, { kind: "completed" }, 10_100);
    expect([podOf(large), podOf(small)]).toEqual(["a", undefined]);
    router.firstToken(large, 2_000, 12_100);
    expect(podOf(small)).toBe("a");
  });

  it("is by priority, then by what keys were served", () => {
    const { router, placed, held, released } = fleet(["a"], policy);
    let running = placed(0, 10_000).leaseId;
    const heavy = Array.from({ length: 4 }, (_, i) => held(1 + i, 10_000, { key: "heavy" }));
    const light = held(10, 10_000, { key: "light" });
    const urgent = held(11, 10_000, { key: "heavy", priority: 1 });
    for (let i = 0; i < 3; i++) {
      router.firstToken(running, 600, 1_000 * (i + 1));
      running = [...released.keys()].at(-1) ?? "";
    }
    expect([...released.keys()]).toEqual([urgent, light, heavy[0]]);
  });
});

describe("a pass through the queue", () => {
  const PODS = 100;
  const rules = routingRules({}).queue;

  /** A dispatch whose policy always wants the first pod, which saves much, and counts how often it is asked. */
  function stubborn() {
    const registry = new PodRegistry();
    const roomy = { capacityTokens: 1e9 };
    const pods = Array.from({ length: PODS }, (_, i) => ({ facts: { ...facts(`pod-${100 + i}`), ...roomy } }));
    registry.report("s", pods, 0);
    const first = registry.pods[0] as Pod;
    let asked = 0;
    const held = new HeldRequests(rules, () => workCostAt(20), 0);
    const open = (): Placement => {
      throw new Error("the first pod is closed");
    };
    const choice: PodChoice = { ok: true, pod: first, promptTokens: 50_000, uncachedTokens: 1_000, open };
    const other: PodChoice = { ...choice, pod: registry.pods[1] as Pod, uncachedTokens: 50_000 };
    const dispatch = new Dispatch(held, {
      podsFor: () => registry.pods,
      choose: (_, among) => {
        if (!among.includes(first)) return other;
        asked++;
        return choice;
      },
      waitsForChoice: () => true,
      promptTokensOf: () => 1_000,
      workOf: () => choice,
      roomTerms: (nowMs) => ({ backlogMs: (pod) => (pod === first ? 1_000 : 0), nowMs, adopting: false }),
      pods: () => registry.pods,
      released: () => undefined,
    });
    first.inFlight = 1;
    const request: RouteRequest = {
      model: "m",
      policy: "p",
      segments: new Uint32Array(),
      segmentBytes: 256,
      promptBytes: 4_000,
      choices: 1,
      deadlineMs: 1e9,
    };
    const arrival = (i: number): Arrival => {
      return { id: `r${i}`, request: { ...request, key: `k${i}` }, policy: named("random"), arrivedAtMs: i };
    };
    for (let i = 0; i < 1_000; i++) held.offer(arrival(i), choice, [], i);
    const askedIn = (pump: () => void): number => {
      const before = asked;
      pump();
      return asked - before;
    };
    return { dispatch, registry, askedIn };
  }

  it("asks 48 of 1,000 that wait, and nobody again as long as nothing happens", () => {
    const { dispatch, askedIn } = stubborn();
    expect(askedIn(() => dispatch.pump(rules, 2_000))).toBe(48);
    for (let i = 1; i < 50; i++) expect(askedIn(() => dispatch.pump(rules, 2_000 + i))).toBe(0);
    expect(askedIn(() => dispatch.pump(rules, 2_050))).toBe(48);
  });

  it("asks them again when something happens on a pod", () => {
    const { dispatch, registry, askedIn } = stubborn();
    dispatch.pump(rules, 2_000);
    (registry.pods[7] as Pod).inFlight++;
    expect(askedIn(() => dispatch.pump(rules, 2_001))).toBe(48);
  });

  it("asks nobody while no pod is open", () => {
    const { dispatch, registry, askedIn } = stubborn();
    for (const pod of registry.pods) pod.inFlight = 256;
    expect(askedIn(() => dispatch.pump(rules, 2_000))).toBe(0);
  });
});

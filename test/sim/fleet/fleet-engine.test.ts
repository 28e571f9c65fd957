import { describe, expect, it } from "vitest";
import { type EngineProfile, engineProfiles } from "../../../src/sim/engine/step-time.ts";
import { arrivingRequest, type EngineRequest } from "../../../src/sim/fleet/engine-request.ts";
import { type EngineRules, FleetEngine } from "../../../src/sim/fleet/fleet-engine.ts";

const PROFILE: EngineProfile = engineProfiles["llama-3.1-8b-h100"];
const RESERVE: EngineRules = {
  blockTokens: 512,
  stepBudget: 8_192,
  mostSequences: 256,
  memory: "reserve",
  answersReusable: false,
};
const PREEMPT: EngineRules = { ...RESERVE, blockTokens: 16, memory: "preempt", answersReusable: true };

function engineOf(rules: EngineRules, kvTokens: number = PROFILE.kvTokens) {
  const firstTokens = new Map<number, number>();
  const ends = new Map<number, number>();
  const order: string[] = [];
  const engine = new FleetEngine({
    profile: { ...PROFILE, kvTokens },
    rules,
    listener: {
      firstToken: ({ index }, nowMs) => firstTokens.set(index, nowMs),
      finished: ({ index }, nowMs) => ends.set(index, nowMs),
      stored: (id) => order.push(`+${id}`),
      evicted: (id) => order.push(`-${id}`),
    },
  });
  const runUntil = (limitMs: number): void => {
    while (engine.nextEventMs <= limitMs) engine.stepEnd(engine.nextEventMs);
  };
  return { engine, firstTokens, ends, order, runUntil };
}

let indices = 0;

function requestOf(promptTokens: number, outputTokens: number, firstId: number, blockTokens = 512): EngineRequest {
  const blocks = Uint32Array.from({ length: Math.floor(promptTokens / blockTokens) }, (_, i) => firstId + i);
  return arrivingRequest(indices++, { blocks, promptTokens, outputTokens }, undefined);
}

describe("FleetEngine", () => {
  it("prefills in chunks, each as long as the engine model says", () => {
    const { engine, firstTokens, runUntil } = engineOf(RESERVE);
    const request = requestOf(10_000, 1, 1);
    engine.enqueue(request, 0);
    runUntil(Number.MAX_VALUE);
    // By hand: 8,192 and 1,808 tokens, the second chunk with the first as its context.
    const first = 2 + 21.5e-3 * 8_192 + 0.71e-6 * 8_192 * 4_096;
    const second = 2 + 21.5e-3 * 1_808 + 0.71e-6 * 1_808 * (8_192 + 904);
    expect(firstTokens.get(request.index)).toBeCloseTo(first + second, 6);
  });

  it("computes only what is not cached, and always at least one block", () => {
    const { engine, firstTokens, ends, runUntil } = engineOf(RESERVE);
    const first = requestOf(5_120, 2, 1);
    engine.enqueue(first, 0);
    runUntil(1e5);
    const again = requestOf(5_120, 1, 1);
    engine.enqueue(again, 1e5);
    runUntil(1e6);
    expect(again.hitTokens).toBe(9 * 512);
    const prefillMs = 2 + 21.5e-3 * 512 + 0.71e-6 * 512 * (4_608 + 256);
    expect(firstTokens.get(again.index)).toBeCloseTo(1e5 + prefillMs, 6);
    expect(ends.get(again.index)).toBe(firstTokens.get(again.index));
  });

  it("decodes in steps that grow with the context, many at once or one by one alike", () => {
    const lone = engineOf(RESERVE);
    const request = requestOf(1_024, 101, 1);
    lone.engine.enqueue(request, 0);
    lone.runUntil(Number.MAX_VALUE);
    const first = lone.firstTokens.get(request.index) as number;
    let expected = first;
    for (let step = 0; step < 100; step++) expected += 2 + 5.4 + 43.5e-6 * (1_025 + step);
    expect(lone.ends.get(request.index)).toBeCloseTo(expected, 6);
    expect(lone.engine.nextEventMs).toBe(Number.POSITIVE_INFINITY);
  });

  it("lets an arrival in at the end of the step under way", () => {
    const { engine, firstTokens, runUntil } = engineOf(RESERVE);
    engine.enqueue(requestOf(1_024, 1_000, 1), 0);
    runUntil(100);
    const late = requestOf(600, 1, 100);
    engine.enqueue(late, 500);
    const stepEndMs = engine.nextEventMs;
    expect(stepEndMs).toBeGreaterThanOrEqual(500);
    expect(stepEndMs).toBeLessThan(508);
    runUntil(600);
    const prefillMs = 2 + 21.5e-3 * 601 + 0.71e-6 * 600 * 300;
    expect(firstTokens.get(late.index)).toBeGreaterThan(stepEndMs + prefillMs);
    expect(firstTokens.get(late.index)).toBeLessThan(stepEndMs + prefillMs + 0.1);
  });

  it("admits by memory, first come first served, and evicts only for what it admits", () => {
    const { engine, ends, order, runUntil } = engineOf(RESERVE, 10 * 512);
    const running = requestOf(5 * 512, 513, 1);
    const waiting = requestOf(4 * 512, 512, 11);
    const small = requestOf(512, 1, 21);
    for (const request of [running, waiting, small]) engine.enqueue(request, 0);
    runUntil(50);
    expect(engine.waiting).toEqual([waiting, small]);
    runUntil(Number.MAX_VALUE);
    expect(ends.get(waiting.index)).toBeGreaterThan(ends.get(running.index) as number);
    expect(order.filter((change) => change.startsWith("-"))).toEqual(["-5", "-4"]);
    expect(engine.cache.heldBlocks).toBe(0);
  });

  it("refuses what could never fit", () => {
    const { engine } = engineOf(RESERVE, 10 * 512);
    expect(engine.canEverServe(requestOf(9 * 512, 512, 1))).toBe(true);
    expect(engine.canEverServe(requestOf(9 * 512, 513, 1))).toBe(false);
  });

  it("preempts the newest where answers outgrow the cache, and still ends everything", () => {
    const { engine, ends, runUntil } = engineOf(PREEMPT, 100 * 16);
    const requests = [1, 101, 201].map((id) => requestOf(25 * 16, 400, id, 16));
    for (const request of requests) engine.enqueue(request, 0);
    runUntil(Number.MAX_VALUE);
    expect(engine.preemptions).toBeGreaterThan(0);
    expect([...ends.keys()].sort()).toEqual(requests.map(({ index }) => index).sort());
    expect(engine.cache.heldBlocks).toBe(0);
    expect(requests.map(({ emittedTokens }) => emittedTokens)).toEqual([400, 400, 400]);
  });

  it("keeps an answer for the prompt that takes it along", () => {
    const { engine, runUntil } = engineOf(PREEMPT);
    const continuation = Uint32Array.from({ length: 20 }, (_, i) => 1 + i);
    const prompt = { blocks: continuation.slice(0, 10), promptTokens: 165, outputTokens: 100 };
    engine.enqueue(arrivingRequest(indices++, prompt, continuation), 0);
    runUntil(1e6);
    const next = arrivingRequest(indices++, { blocks: continuation, promptTokens: 330, outputTokens: 1 }, undefined);
    engine.enqueue(next, 1e6);
    runUntil(2e6);
    expect(next.hitTokens).toBe(16 * 16);
  });

  it("forgets everything when it crashes", () => {
    const { engine, runUntil } = engineOf(RESERVE);
    engine.enqueue(requestOf(1_024, 1_000, 1), 0);
    runUntil(100);
    engine.enqueue(requestOf(1_024, 10, 51), 100);
    expect(engine.crash()).toHaveLength(2);
    expect([engine.nextEventMs, engine.cache.residentBlocks]).toEqual([Number.POSITIVE_INFINITY, 0]);
  });
});

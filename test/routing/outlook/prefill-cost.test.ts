import { describe, expect, it } from "vitest";
import { PrefillCostLearner, prefillMs, prefillWork } from "../../../src/routing/outlook/prefill-cost.ts";
import { seededRandom } from "../../../src/routing/random.ts";

/** Llama-3.1-8B on one H100. */
const TRUE_RATES = { tokenMs: 0.0215, pairMs: 0.71e-6 };

describe("prefillWork", () => {
  it("counts new tokens, and each of them with the context before it", () => {
    expect(prefillWork(1_000, 0)).toEqual({ newTokens: 1_000, pairs: 500_000 });
    expect(prefillWork(1_000, 600)).toEqual({ newTokens: 400, pairs: 400 * 800 });
    expect(prefillWork(1_000, 1_200)).toEqual({ newTokens: 0, pairs: 0 });
  });

  it("of a prompt in two parts is that of the whole", () => {
    const whole = prefillWork(5_000, 0);
    expect(prefillWork(2_000, 0).pairs + prefillWork(5_000, 2_000).pairs).toBe(whole.pairs);
  });
});

describe("PrefillCostLearner", () => {
  function observed(learner: PrefillCostLearner, count: number, longest: number, noise = 0): void {
    const random = seededRandom(1);
    for (let i = 0; i < count; i++) {
      const promptTokens = 500 + Math.floor(random() * longest);
      const work = prefillWork(promptTokens, random() < 0.5 ? Math.floor(0.9 * promptTokens) : 0);
      learner.observe(work, prefillMs(TRUE_RATES, work) * (1 + noise * (random() - 0.5)));
    }
  }

  it("finds both rates from prompts of different lengths", () => {
    const learner = new PrefillCostLearner();
    observed(learner, 1_500, 100_000);
    expect(learner.rates.tokenMs).toBeCloseTo(TRUE_RATES.tokenMs, 3);
    expect(learner.rates.pairMs / TRUE_RATES.pairMs).toBeCloseTo(1, 1);
  });

  it("predicts within a tenth although waits scatter by half", () => {
    const learner = new PrefillCostLearner();
    observed(learner, 1_500, 100_000, 1);
    for (const tokens of [2_000, 20_000, 100_000]) {
      const work = prefillWork(tokens, 0);
      expect(prefillMs(learner.rates, work) / prefillMs(TRUE_RATES, work)).toBeGreaterThan(0.9);
      expect(prefillMs(learner.rates, work) / prefillMs(TRUE_RATES, work)).toBeLessThan(1.1);
    }
  });

  it("keeps a likely attention where all prompts are short", () => {
    const learner = new PrefillCostLearner();
    observed(learner, 1_500, 800, 1);
    const { tokenMs, pairMs } = learner.rates;
    expect(tokenMs / pairMs).toBeGreaterThanOrEqual(7_999);
    expect(tokenMs / pairMs).toBeLessThanOrEqual(512_001);
    const work = prefillWork(1_000, 0);
    expect(prefillMs(learner.rates, work) / prefillMs(TRUE_RATES, work)).toBeCloseTo(1, 0);
  });

  it("has neither rate fall to nothing, however little waits have to do with work", () => {
    const learner = new PrefillCostLearner();
    const random = seededRandom(2);
    for (let i = 0; i < 2_000; i++) {
      // Mostly the way to a far pod and back; the longest prompts come back soonest.
      const tokens = 300 + Math.floor(random() * 30_000);
      learner.observe(prefillWork(tokens, 0), 30 + 150 * random() + 1e6 / tokens);
      const { tokenMs, pairMs } = learner.rates;
      expect(tokenMs).toBeGreaterThan(0);
      expect(pairMs).toBeGreaterThan(0);
    }
  });

  it("learns nothing from waits that are all overhead, or that were not measured", () => {
    const learner = new PrefillCostLearner();
    const before = learner.rates;
    learner.observe(prefillWork(100, 0), 5_000);
    learner.observe(prefillWork(10_000, 0), 0);
    learner.observe(prefillWork(10_000, 0), Number.NaN);
    expect(learner.rates).toEqual(before);
  });

  it("is moved only so far by one absurd wait", () => {
    const learner = new PrefillCostLearner();
    observed(learner, 500, 100_000);
    const work = prefillWork(10_000, 0);
    const before = prefillMs(learner.rates, work);
    learner.observe(work, 1e9);
    expect(prefillMs(learner.rates, work)).toBeLessThan(1.1 * before);
  });
});

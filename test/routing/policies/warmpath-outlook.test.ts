import { describe, expect, it } from "vitest";
import { PlacementOutlook } from "../../../src/routing/outlook/placement-outlook.ts";
import { type Chain, PodOutlook } from "../../../src/routing/outlook/pod-outlook.ts";
import { prefillWork } from "../../../src/routing/outlook/prefill-cost.ts";
import type { Candidate, PolicyRequest } from "../../../src/routing/policy.ts";
import { candidate, context, named } from "./policy-fixtures.ts";

const NOW_MS = 1_000_000;
const CAPACITY_TOKENS = 100_000;
const request: PolicyRequest = { model: "m", promptTokens: 20_000, segments: 300, choices: 1 };

/** A pod with some work waiting and an idle chain in its cache. */
function pod(
  id: string,
  setting: { waitingTokens?: number; chainTokens?: number; idleMs?: number; hitTokens?: number },
) {
  const { waitingTokens = 0, chainTokens = 0, idleMs = 0, hitTokens = 0 } = setting;
  const outlook = new PodOutlook(0);
  if (waitingTokens > 0) outlook.sent(`${id}-waits`, prefillWork(waitingTokens, 0), waitingTokens, NOW_MS);
  if (chainTokens > 0) {
    const idle = { turns: 5, idleSinceMs: NOW_MS - idleMs, lastPromptTokens: 1, inFlight: 0 };
    const chain: Chain = { id: 1, ...idle, home: outlook, residents: [] };
    outlook.keep(chain, chainTokens, chainTokens);
  }
  return candidate(id, { outlook, capacityTokens: CAPACITY_TOKENS, matchedTokens: hitTokens });
}

type Known = { readonly holdsRequests?: boolean; readonly shared?: boolean };

function decided(candidates: readonly Candidate[], account = new PlacementOutlook(0), known: Known = {}) {
  const policy = named("warmpath");
  const { chosen, terms } = policy.decide(request, candidates, {
    ...context(1, undefined, NOW_MS),
    outlook: { account, chain: undefined, shared: known.shared === true },
    holdsRequests: known.holdsRequests,
  });
  const width = policy.columns.length;
  const term = (index: number, column: string) => terms[index * width + policy.columns.indexOf(column)];
  return { chosen: candidates[chosen]?.id, term };
}

/** An account of a model that has lately been asked `perS` times a second, with prompts of so many tokens. */
function busyAccount(perS: number, promptTokens = 10): PlacementOutlook {
  const account = new PlacementOutlook(0);
  for (let i = 0; i < 60 * perS; i++) {
    const atMs = NOW_MS - 60_000 + (1_000 * i) / perS;
    const placement = { leaseId: `l${i}`, pod: new PodOutlook(0), segments: new Uint32Array(0), continued: undefined };
    const tokens = { promptTokens, matchedTokens: 0, capacityTokens: undefined };
    account.sent({ ...placement, ...tokens, origin: "", cluster: "local" }, atMs);
    account.ended(`l${i}`, true, 300, atMs);
  }
  return account;
}

describe("warmpath with an account of what lies ahead", () => {
  it("leaves a conversation that will be back alone and evicts one that is long gone", () => {
    const { chosen, term } = decided([
      pod("coming-back", { chainTokens: 95_000, idleMs: 2_000 }),
      pod("long-gone", { chainTokens: 95_000, idleMs: 3_600_000, waitingTokens: 500 }),
    ]);
    expect(chosen).toBe("long-gone");
    expect(term(0, "evictionMs")).toBeGreaterThan(term(1, "evictionMs") as number);
  });

  it("goes to the near cluster unless the far one saves more than the way takes", () => {
    const account = new PlacementOutlook(0);
    for (let i = 0; i < 500; i++) {
      account.network.observe("", "near", 5, 0);
      account.network.observe("", "far", 150, 0);
    }
    const near = (hitTokens: number) => ({ ...pod("near", { hitTokens }), cluster: "near" });
    const far = (hitTokens: number) => ({ ...pod("far", { hitTokens }), cluster: "far" });
    expect(decided([near(18_500), far(19_000)], account).chosen).toBe("near");
    const { chosen, term } = decided([near(0), far(19_000)], account);
    expect(chosen).toBe("far");
    expect(term(1, "networkMs")).toBeCloseTo(150, 0);
  });

  it("takes a prefix in host memory for less than one on the GPU, and for more than none", () => {
    const held = { matchedTokens: 19_000, matchedSegments: 290 };
    const gpu = { ...pod("gpu", {}), ...held };
    const host = { ...pod("host", {}), ...held, hostSegments: 290 };
    expect(decided([host, gpu]).chosen).toBe("gpu");
    const { chosen, term } = decided([pod("none", {}), host]);
    expect(chosen).toBe("host");
    expect(term(1, "prefillMs")).toBeLessThan((term(0, "prefillMs") as number) / 3);
  });

  it("does not mind what is cached where there is room for all", () => {
    const roomy = pod("roomy", { chainTokens: 50_000, idleMs: 2_000 });
    expect(decided([roomy, pod("waiting", { waitingTokens: 2_000 })]).chosen).toBe("roomy");
  });

  it("prices evictions on the best pods only, and never takes another for having no price", () => {
    const fleet = Array.from({ length: 40 }, (_, i) =>
      pod(`p${String(i).padStart(2, "0")}`, { chainTokens: 99_000, idleMs: 2_000, waitingTokens: 100 * (i + 1) }),
    );
    expect(decided(fleet).chosen).toBe("p00");
  });

  it("counts attention: the same new tokens cost more behind a long context", () => {
    const fresh = decided([pod("a", {})]).term(0, "prefillMs") as number;
    const half = decided([pod("a", { hitTokens: 10_000 })]).term(0, "prefillMs") as number;
    expect(half).toBeGreaterThan(0.5 * fresh);
    expect(half).toBeLessThan(fresh);
  });

  it("copies a beginning of many conversations to another pod sooner than one conversation", () => {
    const warm = pod("warm", { hitTokens: 19_000, waitingTokens: 25_000 });
    const cold = pod("cold", {});
    expect(decided([warm, cold], undefined, { shared: false }).chosen).toBe("warm");
    expect(decided([warm, cold], undefined, { shared: true }).chosen).toBe("cold");
  });

  it("waits longer for a hit the more the whole fleet has waiting", () => {
    const warm = pod("warm", { hitTokens: 6_000, waitingTokens: 80_000 });
    const cold = pod("cold", { waitingTokens: 60_000 });
    expect(decided([warm, cold]).chosen).toBe("cold");
    expect(decided([warm, cold], busyAccount(20)).chosen).toBe("warm");
  });

  it("leaves the care for those behind to a router in which they wait", () => {
    const warm = pod("warm", { hitTokens: 6_000, waitingTokens: 80_000 });
    const cold = pod("cold", { waitingTokens: 60_000 });
    for (const { outlook } of [warm, cold]) {
      for (let i = 0; i < 100; i++) (outlook as PodOutlook).arrivals.add(1, NOW_MS - i);
    }
    expect(decided([warm, cold], busyAccount(20)).term(1, "delayMs")).toBeGreaterThan(0);
    expect(decided([warm, cold], busyAccount(20), { holdsRequests: true }).term(1, "delayMs")).toBe(0);
  });

  it("waits longer for a hit as the fleet comes near to having no time for more prefill, or no memory", () => {
    const warm = (inFlightTokens: number) => ({
      ...pod("warm", { hitTokens: 6_000, waitingTokens: 25_000 }),
      promptTokensInFlight: inFlightTokens,
      inFlight: 4,
    });
    const cold = (inFlightTokens: number, inFlight = 4) => {
      return { ...pod("cold", {}), promptTokensInFlight: inFlightTokens, inFlight };
    };
    const held = { holdsRequests: true };
    expect(decided([warm(0), cold(0)], busyAccount(1), held).chosen).toBe("cold");
    expect(decided([warm(0), cold(0)], busyAccount(1, 25_000), held).chosen, "prefill half of the time").toBe("cold");
    expect(decided([warm(0), cold(0)], busyAccount(1, 80_000), held).chosen, "all the time").toBe("warm");
    expect(decided([warm(70_000), cold(70_000)], busyAccount(1), held).chosen).toBe("cold");
    expect(decided([warm(79_000), cold(79_000)], busyAccount(1), held).chosen).toBe("warm");
    const joined = cold(0, 0);
    expect(decided([warm(79_000), cold(79_000), joined], busyAccount(1, 80_000), held).chosen).toBe("cold");
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Explanation } from "../../src/routing/explanation.ts";
import type { RouteRequest } from "../../src/routing/placement.ts";
import { policyNames } from "../../src/routing/policies/registry.ts";
import { seededRandom } from "../../src/routing/random.ts";
import type { Router } from "../../src/routing/router.ts";
import { type GivenRules, routingRules } from "../../src/routing/routing-rules.ts";
import { NO_QUEUE, randomTraffic, requestOf } from "./random-traffic.ts";

function explained(router: Router, request: RouteRequest, nowMs: number, rules: GivenRules = NO_QUEUE): Explanation {
  const explanation = router.explain(request, routingRules(rules), nowMs);
  if (!explanation.ok) throw new Error(explanation.reason);
  return explanation;
}

const anyRequest = (policy = "warmpath", seed = 7): RouteRequest => requestOf(seededRandom(seed), policy);
const TIGHT: GivenRules = { queue: { mostInFlight: 2, mostWaiting: 4 } };
const FORGIVING: GivenRules = { health: { mostEjectedShare: 0 } };

describe("an explanation", () => {
  it("changes nothing, whatever is asked and whenever", () => {
    fc.assert(
      fc.property(fc.nat(1_000), fc.constantFrom(...policyNames()), fc.boolean(), (seed, policy, queue) => {
        const rules = { ...(queue ? TIGHT : NO_QUEUE), decisions: { share: 1, keep: 9_999 } };
        const asks = seededRandom(seed);
        const traffic = { seed, policy, rules, steps: 60 };
        const undisturbed = randomTraffic(traffic);
        const disturbed = randomTraffic({
          ...traffic,
          between: (router, nowMs) => {
            const before = JSON.stringify([
              router.snapshot(nowMs),
              router.inspect(),
              router.decisions.latest({ limit: 9 }),
            ]);
            router.explain(requestOf(asks, policy), routingRules(rules), nowMs);
            router.explain(requestOf(asks, "warmpath"), routingRules(TIGHT), nowMs + 5_000);
            const after = JSON.stringify([
              router.snapshot(nowMs),
              router.inspect(),
              router.decisions.latest({ limit: 9 }),
            ]);
            expect(after).toBe(before);
          },
        });
        // Nor anything that shows only later: every decision is the same, random ones too.
        const all = { limit: 9_999 };
        expect(disturbed.router.decisions.latest(all)).toEqual(undisturbed.router.decisions.latest(all));
        expect(disturbed.router.inspect()).toEqual(undisturbed.router.inspect());
      }),
      { numRuns: 60 },
    );
  });

  it.each([...policyNames(), "prefix-cache:2,least-request:1"])(
    "of %s names the pod that the next request gets, with its terms",
    (policy) => {
      // Ties are drawn from the source that explanations draw from.
      let draw = seededRandom(1);
      const { router, nowMs } = randomTraffic({ policy, rules: { ...NO_QUEUE, ...FORGIVING }, random: () => draw() });
      for (let seed = 1; seed <= 40; seed++) {
        const request = anyRequest(policy, seed);
        const { candidates, columns } = explained(router, request, nowMs, { ...NO_QUEUE, ...FORGIVING });
        draw = seededRandom(request.segments.at(-2) ?? 0);
        const placed = router.route({ ...request, explain: true }, nowMs);
        if (!placed.ok || placed.record === undefined) throw new Error("not placed and explained");
        const { record } = placed;
        expect(candidates[0]?.id).toBe(record.chosen);
        expect(columns).toEqual(record.columns);
        expect(candidates.map(({ id }) => id).toSorted()).toEqual(record.candidates.toSorted());
        for (const { id, terms } of candidates) {
          const own = record.terms[record.candidates.indexOf(id)] as readonly number[];
          expect(terms).toEqual(own.map((term) => (Number.isFinite(term) ? term : null)));
        }
      }
    },
  );

  it("puts the pods in the order in which the policy would take them", () => {
    const { router, nowMs } = randomTraffic({ policy: "least-request", rules: { ...NO_QUEUE, ...FORGIVING }, pods: 8 });
    for (let seed = 0; seed < 12; seed++) router.route(anyRequest("random", seed), nowMs);
    const { candidates } = explained(router, anyRequest("least-request"), nowMs);
    const requests = candidates.map(({ inFlight, foreign }) => inFlight + foreign);
    expect(requests).toEqual(requests.toSorted((a, b) => a - b));
    expect(new Set(requests).size).toBeGreaterThan(2);
    const turns = explained(router, anyRequest("round-robin"), nowMs).candidates.map(({ id }) => id);
    expect(turns).toEqual(turns.toSorted());
  });

  it("names the pods that are left out, and why", () => {
    const { router, nowMs } = randomTraffic({ rules: { ...NO_QUEUE, ...FORGIVING } });
    const fact = (name: string, change: object = {}) => ({
      facts: {
        id: name,
        cluster: "c",
        epoch: "1",
        url: "http://x",
        state: "ready" as const,
        servedModels: ["m"],
        index: { mode: "approximate" as const },
        ...change,
      },
    });
    const pods = [
      fact("a-ready"),
      fact("b-draining", { state: "draining" }),
      fact("c-unready", { state: "unready", servedModels: ["other"] }),
      fact("d-tried"),
      fact("e-other", { servedModels: ["other"] }),
    ];
    const later = nowMs + 60_000;
    router.report({ source: "second", instance: "one", sequence: 1, pods, claims: [] }, later);
    const request = { ...anyRequest(), model: "m", excludedPods: ["d-tried"] };
    const { candidates, leftOut } = explained(router, request, later);
    expect(candidates.map(({ id }) => id)).toEqual(["a-ready"]);
    expect(Object.fromEntries(leftOut.map(({ id, reasons }) => [id, reasons]))).toEqual({
      "b-draining": ["draining"],
      "c-unready": ["other_model", "unready"],
      "d-tried": ["tried"],
      "e-other": ["other_model"],
      ...Object.fromEntries(
        [0, 1, 2, 3, 4].map((pod) => [`local/default/pod-0${pod}/8000`, expect.arrayContaining(["stale"])]),
      ),
    });
  });

  it("tells that a request would wait, be refused, or find no pod", () => {
    const { router, nowMs } = randomTraffic({ rules: TIGHT, steps: 1 });
    const flood = { ...anyRequest(), model: "m", sloTtftMs: undefined };
    const kinds: string[] = [];
    for (let i = 0; i < 40; i++) {
      const { admission, queue } = explained(router, flood, nowMs, TIGHT);
      if (admission === "held") expect(queue).toMatchObject({ ahead: expect.any(Number), waitMs: expect.any(Number) });
      if (admission === "refused") expect(queue?.refused).toBe("queue_full");
      if (kinds.at(-1) !== admission) kinds.push(admission);
      const routed = router.route({ ...flood, key: `key-${i}` }, nowMs);
      const became = routed.ok ? "placed" : routed.reason === "held" ? "held" : "refused";
      if (!(became === "refused" || admission === "refused")) expect(admission).toBe(became);
    }
    expect(kinds).toEqual(["placed", "held", "refused"]);
    const unserved = { ...flood, model: "nobody" };
    expect(explained(router, unserved, nowMs, TIGHT)).toMatchObject({ admission: "held_without_pods", candidates: [] });
    expect(explained(router, unserved, nowMs)).toMatchObject({ admission: "no_endpoints", candidates: [] });
  });

  it("refuses a policy that there is not", () => {
    const { router, nowMs } = randomTraffic({ steps: 1 });
    expect(router.explain(anyRequest("best"), routingRules({}), nowMs)).toMatchObject({
      ok: false,
      reason: "unknown_policy",
      known: policyNames(),
    });
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OutlierEjection } from "../../../src/routing/health/outlier-ejection.ts";
import { DEFAULT_OUTLIER_LIMITS } from "../../../src/routing/health/outlier-limits.ts";
import type { PodOutcome } from "../../../src/routing/health/pod-outcome.ts";

const limits = { ...DEFAULT_OUTLIER_LIMITS, consecutiveFailures: 2, leastRequests: 4, ejectionMs: 1_000, probeMs: 1e9 };
const podId = fc.constantFrom("a", "b", "c", "d", "e");
const outcome = fc.constantFrom<PodOutcome>(
  "answered",
  "rejected",
  "client_left",
  "connect_failed",
  "server_error",
  "stalled",
  "truncated",
);
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("send" as const), podId }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("end" as const), index: fc.nat(8), outcome }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("firstToken" as const), index: fc.nat(8) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(1_500) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("pods" as const), pods: fc.uniqueArray(podId, { minLength: 1 }) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "restore" as const }) },
);

type Open = { readonly podId: string; readonly requestId: string; readonly sentAtMs: number; readonly probe: boolean };

describe("outlier ejection, whatever happens in whatever order", () => {
  it("keeps its bound, has one probe at a time, and changes state only as it may", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        let ejection = new OutlierEjection(limits);
        let pods = ["a", "b", "c", "d", "e"];
        ejection.setPods(pods, 0);
        let open: Open[] = [];
        let nowMs = 0;
        steps.forEach((taken, turn) => {
          const kindOf = (pod: string) => ejection.state(pod, nowMs).kind;
          const before = new Map(pods.map((pod) => [pod, kindOf(pod)]));
          const changedPods = () => pods.filter((pod) => before.has(pod) && before.get(pod) !== kindOf(pod));
          if (taken.kind === "wait") {
            nowMs += taken.ms;
            for (const pod of changedPods()) expect([before.get(pod), kindOf(pod)]).toEqual(["ejected", "half_open"]);
          } else if (taken.kind === "pods") {
            pods = taken.pods;
            ejection.setPods(pods, nowMs);
            for (const pod of changedPods()) expect(kindOf(pod)).toBe("healthy");
          } else if (taken.kind === "restore") {
            const saved = ejection.snapshot(nowMs);
            ejection = new OutlierEjection(limits);
            ejection.setPods(pods, nowMs);
            ejection.restore(saved, nowMs);
            expect(changedPods()).toEqual([]);
            open = open.map((request) => ({ ...request, probe: false }));
          } else if (taken.kind === "send") {
            const { podId } = taken;
            if (!pods.includes(podId) || !ejection.admits(podId, nowMs)) return;
            const request = { podId, requestId: `r${turn}`, sentAtMs: nowMs, probe: kindOf(podId) === "half_open" };
            ejection.sent(podId, request.requestId, nowMs);
            open.push(request);
            expect(changedPods()).toEqual([]);
            if (request.probe) {
              expect(ejection.state(podId, nowMs)).toEqual({ kind: "half_open", probe: request.requestId });
              expect(ejection.admits(podId, nowMs)).toBe(false);
            }
          } else {
            const request = open[taken.index];
            if (request === undefined) return;
            const state = ejection.state(request.podId, nowMs);
            const isProbe = state.kind === "half_open" && state.probe === request.requestId;
            if (taken.kind === "firstToken") {
              ejection.firstToken(request.podId, request.requestId, nowMs);
              expect(changedPods()).toEqual(isProbe ? [request.podId] : []);
              return;
            }
            open = open.filter((other) => other !== request);
            ejection.ended(request, taken.outcome, nowMs);
            const neutral = taken.outcome === "client_left" || taken.outcome === "rejected";
            const changed = changedPods();
            if (neutral) expect(changed).toEqual([]);
            else if (isProbe) {
              expect(changed).toEqual([request.podId]);
              expect(kindOf(request.podId)).toBe(taken.outcome === "answered" ? "healthy" : "ejected");
            } else {
              // Anybody else can only take a healthy pod out, and only by failing.
              for (const pod of changed) {
                expect(pod).toBe(request.podId);
                expect(taken.outcome).not.toBe("answered");
                expect([before.get(pod), kindOf(pod)]).toEqual(["healthy", "ejected"]);
              }
            }
            if (isProbe && neutral) expect(ejection.admits(request.podId, nowMs)).toBe(true);
          }
          const views = ejection.inspect(nowMs);
          const out = views.filter(({ state }) => state.kind !== "healthy");
          expect(views.map(({ podId: id }) => id).sort()).toEqual([...pods].sort());
          expect(out.length).toBeLessThanOrEqual(Math.min(Math.floor(pods.length / 2), pods.length - 1));
          for (const { podId: id, state } of views) {
            const admits = state.kind === "healthy" || (state.kind === "half_open" && state.probe === undefined);
            expect(ejection.admits(id, nowMs)).toBe(admits);
            if (state.kind === "ejected") {
              expect(state.untilMs).toBeGreaterThan(nowMs);
              expect(state.untilMs).toBeLessThanOrEqual(nowMs + limits.mostEjectionMs);
            }
          }
        });
      }),
      { numRuns: 1_000 },
    );
  });
});

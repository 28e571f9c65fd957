import { describe, expect, it } from "vitest";
import type { Candidate, PolicyRequest } from "../../../src/routing/policy.ts";
import { newPolicyMemory } from "../../../src/routing/policy-memory.ts";
import { candidate, choices, context, fleet, named, place, request } from "./policy-fixtures.ts";

const pods = Array.from({ length: 10 }, (_, i) => candidate(`local/default/pod-${i}/8000`));
const session = (name: string): PolicyRequest => ({ ...request, session: name });
const keys = Array.from({ length: 2_000 }, (_, i) => `session-${i}`);

function homes(name: string, candidates: readonly Candidate[]): Map<string, string> {
  const policy = named(name, name === "chwbl" ? { key: "session" } : {});
  return new Map(
    keys.map((key) => [key, (candidates[policy.decide(session(key), candidates, context()).chosen] as Candidate).id]),
  );
}

describe.each(["consistent-hash", "session-affinity", "chwbl"])("%s over ten idle pods", (name) => {
  it("moves only the keys of a pod that goes, spreads them, and gives them back when it returns", () => {
    const before = homes(name, pods);
    const gone = (pods[4] as Candidate).id;
    const without = homes(
      name,
      pods.filter(({ id }) => id !== gone),
    );
    const moved = keys.filter((key) => before.get(key) !== without.get(key));
    expect(moved).toEqual(keys.filter((key) => before.get(key) === gone));
    expect(new Set(moved.map((key) => without.get(key))).size).toBe(9);
    expect(homes(name, pods)).toEqual(before);
  });

  it("gives each pod its share of the keys", () => {
    const counts = new Map<string, number>();
    for (const home of homes(name, pods).values()) counts.set(home, (counts.get(home) ?? 0) + 1);
    expect(Math.min(...counts.values())).toBeGreaterThan(140);
    expect(Math.max(...counts.values())).toBeLessThan(260);
  });
});

describe("consistent-hash", () => {
  it("takes the session for key, else the user, else any pod", () => {
    const policy = named("consistent-hash");
    const byUser = { ...request, user: "session-1" };
    expect(choices(policy, pods, byUser)).toEqual(choices(policy, pods, session("session-1")));
    expect(choices(policy, pods, { ...byUser, session: "session-1" })).toHaveLength(1);
    expect(choices(policy, fleet({}, {}), request)).toEqual(["a", "b"]);
  });

  it("looks at no load", () => {
    const busy = pods.map((pod) => ({ ...pod, inFlight: 100 }));
    expect(homes("consistent-hash", busy)).toEqual(homes("consistent-hash", pods));
  });
});

describe("session-affinity", () => {
  const policy = named("session-affinity");

  it("keeps a session on its pod when a pod joins that ranks higher", () => {
    const memory = newPolicyMemory();
    const few = pods.slice(0, 2);
    for (const key of keys.slice(0, 50)) {
      const home = place(policy, few, memory, { asked: session(key) });
      expect(place(policy, pods, memory, { asked: session(key), nowMs: 1_060_000 })).toBe(home);
    }
  });

  it("moves it when its pod is gone, and stays on the new one when the old one returns", () => {
    const memory = newPolicyMemory();
    const first = place(policy, pods, memory, { asked: session("s") });
    const second = place(
      policy,
      pods.filter(({ id }) => id !== first),
      memory,
      { asked: session("s") },
    );
    expect(second).not.toBe(first);
    expect(place(policy, pods, memory, { asked: session("s") })).toBe(second);
  });

  it("forgets the pin an hour after the session's last request", () => {
    const memory = newPolicyMemory();
    const first = place(policy, pods, memory, { asked: session("s"), nowMs: 0 });
    const others = pods.filter(({ id }) => id !== first);
    const second = place(policy, others, memory, { asked: session("s"), nowMs: 1_000 });
    expect(place(policy, pods, memory, { asked: session("s"), nowMs: 3_601_000 })).toBe(second);
    expect(place(policy, pods, memory, { asked: session("s"), nowMs: 7_201_001 })).toBe(first);
  });

  it("without a session takes any pod", () => {
    expect(choices(policy, fleet({ inFlight: 3 }, {}))).toEqual(["a", "b"]);
  });
});

describe("chwbl, as KubeAI bounds", () => {
  const policy = named("chwbl");
  const opened = (opening: string): PolicyRequest => ({ ...request, opening });
  const homeOf = (asked: PolicyRequest, candidates: readonly Candidate[]) => choices(policy, candidates, asked);

  it("goes on to the key's next pod when the first has more than 1.25 of its share, and back when it has not", () => {
    const [home = ""] = homeOf(opened("x"), pods);
    const [next] = homeOf(
      opened("x"),
      pods.filter(({ id }) => id !== home),
    );
    // 10 pods, n requests on the home alone: it may have up to (n + 1) / 10 x 1.25.
    const loaded = (inFlight: number) => pods.map((pod) => (pod.id === home ? { ...pod, inFlight } : pod));
    expect(homeOf(opened("x"), loaded(0))).toEqual([home]);
    expect(homeOf(opened("x"), loaded(1))).toEqual([next]);
    const even = pods.map((pod) => ({ ...pod, inFlight: pod.id === home ? 9 : 8 }));
    expect(homeOf(opened("x"), even)).toEqual([home]);
    expect(
      homeOf(
        opened("x"),
        even.map((pod) => (pod.id === home ? { ...pod, inFlight: 11 } : pod)),
      ),
    ).toEqual([next]);
  });

  it("tells adapters apart, and conversations by their opening", () => {
    const homesOf = (make: (i: number) => PolicyRequest) =>
      new Set(Array.from({ length: 40 }, (_, i) => homeOf(make(i), pods)[0])).size;
    expect(homesOf((i) => opened(`opening ${i}`))).toBeGreaterThan(5);
    expect(homesOf((i) => ({ ...opened("same"), adapter: `lora-${i}` }))).toBeGreaterThan(5);
    expect(homesOf((i) => ({ ...opened("same"), session: `s${i}` }))).toBe(1);
  });

  it("takes the first segment where no opening is known, and the least loaded pod without either", () => {
    expect(homeOf({ ...request, firstSegment: 77 }, pods)).toHaveLength(1);
    expect(homeOf(request, fleet({ inFlight: 1 }, {}, {}))).toEqual(["b", "c"]);
  });
});

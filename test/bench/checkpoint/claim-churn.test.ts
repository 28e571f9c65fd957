import { describe, expect, it } from "vitest";
import { ClaimChurn } from "../../../src/bench/checkpoint/claim-churn.ts";
import type { ClaimChange } from "../../../src/protocol/push-message.ts";

/** Applies changes as a router does. */
function held(changes: readonly ClaimChange[], before = new Map<string, Set<string>>()): Map<string, Set<string>> {
  for (const change of changes) {
    if (change.kind === "restate") before.set(change.pod, new Set());
    if (change.kind !== "store" && change.kind !== "remove") continue;
    const pod = before.get(change.pod);
    if (pod === undefined) throw new Error("a change before the pod's claims were told");
    for (const name of names(change.segments)) {
      if (change.kind === "store") pod.add(name);
      else expect(pod.delete(name)).toBe(true);
    }
  }
  return before;
}

function names(segments: Uint8Array): string[] {
  return Array.from({ length: segments.byteLength / 8 }, (_, i) =>
    Buffer.from(segments.subarray(8 * i, 8 * i + 8)).toString("hex"),
  );
}

function filled(churn: ClaimChurn): Map<string, Set<string>> {
  const pods = new Map<string, Set<string>>();
  while (!churn.isFull) held(churn.take(0), pods);
  return pods;
}

describe("what made-up caches hold", () => {
  it("is told in full first, pod by pod", () => {
    const pods = filled(new ClaimChurn(30, 300_000, 1_000));
    expect([...pods.values()].map(({ size }) => size)).toEqual(Array(30).fill(10_000));
  });

  it("then changes at the rate asked for, and stays as much", () => {
    const churn = new ClaimChurn(10, 10_000, 1_000);
    const pods = filled(churn);
    for (let nowMs = 0; nowMs <= 60_000; nowMs += 70) held(churn.take(nowMs), pods);
    expect(churn.changed).toBeGreaterThan(0.97 * 60_000);
    expect(churn.changed).toBeLessThanOrEqual(60_000);
    expect([...pods.values()].map(({ size }) => size)).toEqual(Array(10).fill(1_000));
  });
});

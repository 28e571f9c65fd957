import { describe, expect, it } from "vitest";
import { PlacementOutlook } from "../../../src/routing/outlook/placement-outlook.ts";
import { PodOutlook } from "../../../src/routing/outlook/pod-outlook.ts";

const SEGMENT_TOKENS = 64;
const WAY = { origin: "here", cluster: "local" };

function segmentsOf(conversation: number, length: number, shared = 0): Uint32Array {
  const words = new Uint32Array(2 * length);
  for (let i = 0; i < length; i++) {
    words[2 * i] = Math.imul((i < shared ? 0 : conversation) * 104_729 + i, 2_654_435_761);
    words[2 * i + 1] = i;
  }
  return words;
}

function fleet() {
  const outlook = new PlacementOutlook(0);
  const pod = new PodOutlook(0);
  let leases = 0;
  return {
    outlook,
    pod,
    /** One turn of a conversation, answered at once. */
    turn(segments: Uint32Array, nowMs: number, matchedTokens = 0, capacityTokens = 100_000): void {
      const leaseId = `lease-${++leases}`;
      const promptTokens = (segments.length / 2) * SEGMENT_TOKENS;
      const { chain: continued } = outlook.continued(segments, SEGMENT_TOKENS);
      const placement = { leaseId, pod, segments, continued, promptTokens, matchedTokens, ...WAY };
      outlook.sent({ ...placement, capacityTokens }, nowMs);
      outlook.firstToken(leaseId, 100, nowMs + 100);
      outlook.ended(leaseId, true, 50, nowMs + 200);
    },
  };
}

describe("PlacementOutlook", () => {
  it("knows a conversation again when its prompt has grown", () => {
    const { outlook, turn } = fleet();
    turn(segmentsOf(1, 100), 0);
    expect(outlook.continued(segmentsOf(1, 120), SEGMENT_TOKENS).chain?.turns).toBe(1);
    turn(segmentsOf(1, 120), 5_000);
    expect(outlook.continued(segmentsOf(1, 130), SEGMENT_TOKENS).chain?.turns).toBe(2);
  });

  it("takes users of one system prompt for different conversations", () => {
    const { outlook, turn } = fleet();
    turn(segmentsOf(1, 100, 30), 0);
    expect(outlook.continued(segmentsOf(2, 100, 30), SEGMENT_TOKENS).chain).toBeUndefined();
  });

  it("knows a beginning of many conversations, and that of none for it", () => {
    const { outlook, turn } = fleet();
    for (let chat = 1; chat <= 4; chat++) {
      expect(outlook.continued(segmentsOf(chat, 100, 32), SEGMENT_TOKENS).shared).toBe(false);
      turn(segmentsOf(chat, 100, 32), 1_000 * chat);
    }
    expect(outlook.continued(segmentsOf(5, 100, 32), SEGMENT_TOKENS)).toEqual({ chain: undefined, shared: true });
    const known = outlook.continued(segmentsOf(4, 120, 32), SEGMENT_TOKENS);
    expect(known.shared, "a conversation of its own behind it").toBe(false);
    expect(known.chain?.turns).toBe(1);
    expect(outlook.continued(segmentsOf(6, 100), SEGMENT_TOKENS).shared, "nothing known").toBe(false);
  });

  it("takes a second request of a conversation that is being answered for another one", () => {
    const { outlook, pod } = fleet();
    const placement = { pod, segments: segmentsOf(1, 50), continued: undefined, promptTokens: 3_200, ...WAY };
    outlook.sent({ ...placement, leaseId: "a", matchedTokens: 0, capacityTokens: undefined }, 0);
    expect(outlook.continued(segmentsOf(1, 60), SEGMENT_TOKENS).chain).toBeUndefined();
    outlook.ended("a", false, undefined, 10);
    expect(pod.leases).toBe(0);
    expect(pod.oldest).toBeUndefined();
  });

  it("counts a shared prefix once", () => {
    const { pod, turn } = fleet();
    turn(segmentsOf(1, 100, 50), 0);
    turn(segmentsOf(2, 100, 50), 1_000, 50 * SEGMENT_TOKENS);
    expect(pod.idleTokens).toBe(150 * SEGMENT_TOKENS);
  });

  it("never believes in more than fits", () => {
    const { pod, turn } = fleet();
    for (let i = 1; i <= 40; i++) turn(segmentsOf(i, 100), 1_000 * i, 0, 64_000);
    expect(pod.idleTokens + pod.heldTokens).toBeLessThanOrEqual(64_000);
    expect(pod.idleTokens).toBeGreaterThan(40_000);
  });

  it("tells the wait on a pod by what waits there less what its head has behind it", () => {
    const { outlook, pod } = fleet();
    const placement = { pod, segments: segmentsOf(1, 100), continued: undefined, promptTokens: 6_400, ...WAY };
    outlook.sent({ ...placement, leaseId: "a", matchedTokens: 0, capacityTokens: undefined }, 0);
    const atOnce = outlook.backlogMs(pod, 0);
    expect(outlook.backlogMs(pod, 100)).toBeCloseTo(atOnce - 70, 6);
    expect(outlook.backlogMs(pod, 1e6)).toBeCloseTo(0.05 * atOnce, 6);
    outlook.firstToken("a", 400, 400);
    expect(outlook.backlogMs(pod, 400)).toBe(0);
  });
});

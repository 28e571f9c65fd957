import { describe, expect, it } from "vitest";
import { ClaimSpool } from "../../../src/collector/push/claim-spool.ts";
import { FeedOutbox } from "../../../src/collector/push/feed-outbox.ts";
import type { ClaimChange } from "../../../src/protocol/push-message.ts";

function clear(pod: string): ClaimChange {
  return { kind: "clear", pod, epoch: "e" };
}

function outbox() {
  const spool = new ClaimSpool(1_000_000);
  return { spool, box: new FeedOutbox(spool, 1_000_000) };
}

describe("FeedOutbox", () => {
  it("keeps number and claims until the push is acknowledged", () => {
    const { spool, box } = outbox();
    spool.add(clear("a"));
    const first = box.next();
    spool.add(clear("b"));
    expect(box.next()).toEqual(first);
    expect(first).toEqual({ sequence: 1, claims: [clear("a")] });
    box.acknowledged();
    expect(box.next()).toEqual({ sequence: 2, claims: [clear("b")] });
  });

  it("keeps a push without claims without claims", () => {
    const { spool, box } = outbox();
    box.next();
    spool.add(clear("a"));
    expect(box.next()).toEqual({ sequence: 1, claims: [] });
  });

  it("replaces claims the edge will not take, under another number", () => {
    const { spool, box } = outbox();
    spool.add({
      kind: "store",
      pod: "a",
      epoch: "e",
      tier: "gpu",
      segments: new Uint8Array(8),
      tokens: new Uint8Array(4),
    });
    box.next();
    box.unacceptable();
    expect(box.next()).toEqual({ sequence: 2, claims: [{ ...clear("a"), kind: "restate" }] });
    expect(box.acknowledged()).toEqual(["a"]);
  });
});

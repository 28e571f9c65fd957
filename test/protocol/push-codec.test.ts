import { describe, expect, it } from "vitest";
import { decodePush, encodePush } from "../../src/protocol/push-codec.ts";
import type { PushMessage } from "../../src/protocol/push-message.ts";

const push: PushMessage = {
  schema: 1,
  model: "qwen3-8b",
  source: "node-a",
  instance: "3f0c6a52-1",
  sequence: 7,
  pods: [
    {
      name: "default/engine-0/8000",
      epoch: "1785000000.25",
      url: "http://10.0.1.7:8000",
      engine: "vllm",
      state: "ready",
      servedModels: ["qwen3-8b"],
      capacityTokens: 440_000,
      sample: { ageMs: 12.5, running: 3, waiting: 0 },
    },
  ],
  claims: [
    { kind: "clear", pod: "default/engine-0/8000", epoch: "1785000000.25" },
    {
      kind: "store",
      pod: "default/engine-0/8000",
      epoch: "1785000000.25",
      tier: "gpu",
      segments: new Uint8Array([1, 2, 3, 4, 5, 6, 7, 255]),
      tokens: new Uint8Array([64, 0, 0, 0]),
    },
    {
      kind: "check",
      pod: "default/engine-0/8000",
      epoch: "1785000000.25",
      gpu: { low: 0x04030201, high: 0xff070605 },
      host: { low: 0, high: 0 },
    },
  ],
  checks: true,
};

describe("push codec", () => {
  it("reads back what it wrote", async () => {
    const decoded = await decodePush(await encodePush(push), 1 << 20);
    expect(decoded).toEqual({ ok: true, push });
  });

  it("names the field that is wrong", async () => {
    const bad = { ...push, sequence: 0 } as PushMessage;
    const decoded = await decodePush(await encodePush(bad), 1 << 20);
    expect(decoded).toMatchObject({ ok: false, error: { reason: "bad_shape" } });
    expect(!decoded.ok && decoded.error.message).toContain("sequence");
  });

  it("stops inflating at the limit", async () => {
    const claims = [
      {
        kind: "store",
        pod: "p",
        epoch: "e",
        tier: "gpu",
        segments: new Uint8Array(1 << 20),
        tokens: new Uint8Array(1 << 19),
      } as const,
    ];
    const body = await encodePush({ ...push, claims });
    expect(body.byteLength).toBeLessThan(10_000);
    expect(await decodePush(body, 1 << 16)).toMatchObject({ ok: false, error: { reason: "too_large" } });
  });

  it("refuses truncated gzip, plain text and a wrong segment length", async () => {
    const body = await encodePush(push);
    expect(await decodePush(body.slice(0, body.length - 9), 1 << 20)).toMatchObject({
      error: { reason: "not_gzip" },
    });
    expect(await decodePush(new TextEncoder().encode("hello"), 1 << 20)).toMatchObject({
      error: { reason: "not_gzip" },
    });
    const claims = [
      {
        kind: "store",
        pod: "p",
        epoch: "e",
        tier: "gpu",
        segments: new Uint8Array(7),
        tokens: new Uint8Array(4),
      } as const,
    ];
    const odd = await encodePush({ ...push, claims });
    expect(await decodePush(odd, 1 << 20)).toMatchObject({ error: { reason: "bad_shape" } });
  });
});

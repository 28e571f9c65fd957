import { afterEach, describe, expect, it } from "vitest";
import { HttpRequests } from "../../../src/collector/http-requests.ts";
import { EdgeRequests } from "../../../src/collector/push/edge-requests.ts";
import { sendPush } from "../../../src/collector/push/send-push.ts";
import { importHmacKey } from "../../../src/protocol/hmac-key.ts";
import type { PushMessage } from "../../../src/protocol/push-message.ts";
import { CLUSTER_KEY, TestEdge, type TestEdgeOptions } from "./test-edge.ts";

const MESSAGE: PushMessage = {
  schema: 1,
  model: "m",
  source: "node-a",
  instance: "0123456789abcdef",
  sequence: 1,
  pods: [],
  claims: [{ kind: "clear", pod: "ns/a/80", epoch: "e" }],
};

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function clientOf(edgeUrl: string, options: { key?: string; timeoutMs?: number } = {}): Promise<EdgeRequests> {
  const http = new HttpRequests();
  closing.push(() => http.close());
  return new EdgeRequests({
    edgeUrl,
    cluster: "local",
    key: await importHmacKey(options.key ?? CLUSTER_KEY),
    timeoutMs: options.timeoutMs ?? 5000,
    http,
    nowMs: Date.now,
    signal: new AbortController().signal,
  });
}

async function edgeAndClient(options: TestEdgeOptions = {}) {
  const edge = await TestEdge.start(options);
  closing.push(() => edge.close());
  return { edge, client: await clientOf(edge.url) };
}

describe("sendPush", () => {
  it("sends a push the edge can verify and read, and gives back its reply", async () => {
    const { edge, client } = await edgeAndClient({
      treat: () => ({ kind: "take", resync: ["ns/a/80"], nextPushMs: 250 }),
    });
    expect(await sendPush(client, MESSAGE)).toEqual({
      kind: "acknowledged",
      reply: { acknowledged: 1, resync: ["ns/a/80"], nextPushMs: 250 },
    });
    expect(edge.taken).toEqual([MESSAGE]);
  });

  it("says that a push was taken before", async () => {
    const { client } = await edgeAndClient();
    await sendPush(client, MESSAGE);
    expect(await sendPush(client, MESSAGE)).toEqual({ kind: "replayed" });
  });

  it.each([-3_600_000, 3_600_000])(
    "corrects a clock that is %d ms off and sends again at once",
    async (clockAheadMs) => {
      const { edge, client } = await edgeAndClient({ clockAheadMs });
      expect(await sendPush(client, MESSAGE)).toMatchObject({ kind: "acknowledged" });
      expect(await sendPush(client, { ...MESSAGE, sequence: 2 })).toMatchObject({ kind: "acknowledged" });
      expect(edge.refusals).toEqual(["outside_window"]);
    },
  );

  it("does not take a wrong key for a wrong clock", async () => {
    const edge = await TestEdge.start();
    closing.push(() => edge.close());
    const client = await clientOf(edge.url, { key: "another secret" });
    expect(await sendPush(client, MESSAGE)).toMatchObject({ kind: "refused", status: 401 });
    expect(edge.refusals).toEqual(["wrong_signature"]);
  });

  it.each([
    ["from the header", { headers: { "x-warmpath-reason": "unknown_cluster" } }],
    ["from the body", { body: '{"error":{"message":"no such cluster","code":"unknown_cluster"}}' }],
  ])("gives the reason of a refusal %s", async (_, answer) => {
    const { client } = await edgeAndClient({ treat: () => ({ kind: "answer", status: 403, ...answer }) });
    expect(await sendPush(client, MESSAGE)).toEqual({ kind: "refused", status: 403, reason: "unknown_cluster" });
  });

  it("does not take any conflict for a replay", async () => {
    const { client } = await edgeAndClient({ treat: () => ({ kind: "answer", status: 409, body: "busy" }) });
    expect(await sendPush(client, MESSAGE)).toMatchObject({ kind: "refused", status: 409 });
  });

  it.each([
    ["a server error", { kind: "answer", status: 503 }],
    ["a reply that is none", { kind: "answer", status: 200, body: "<html>" }],
    ["a reply of another shape", { kind: "answer", status: 200, body: "{}" }],
    ["a lost reply", { kind: "lose_reply" }],
  ] as const)("knows nothing after %s", async (_, treatment) => {
    const { client } = await edgeAndClient({ treat: () => treatment });
    expect(await sendPush(client, MESSAGE)).toMatchObject({ kind: "unreachable" });
  });

  it("knows nothing when nobody listens", async () => {
    const edge = await TestEdge.start();
    const { url } = edge;
    await edge.close();
    const client = await clientOf(url);
    expect(await sendPush(client, MESSAGE)).toMatchObject({
      kind: "unreachable",
      reason: expect.stringContaining("ECONNREFUSED"),
    });
  });
});

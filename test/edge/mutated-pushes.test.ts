import { env } from "cloudflare:workers";
import { encode } from "@msgpack/msgpack";
import { expect, it } from "vitest";
import { createApp } from "../../src/edge/app.ts";
import { importHmacKey } from "../../src/protocol/hmac-key.ts";
import type { ClusterName } from "../../src/protocol/identifiers.ts";
import { decodePush } from "../../src/protocol/push-codec.ts";
import type { ClaimChange, PodReport, PushMessage } from "../../src/protocol/push-message.ts";
import { PUSH_HEADERS, signRequest } from "../../src/protocol/push-signature.ts";
import { type Random, seededRandom } from "../../src/routing/random.ts";
import type { RouterView } from "../../src/routing/router-view.ts";
import { mutatedBytes, mutatedValue } from "../protocol/mutations.ts";
import { ClaimShadow } from "./claim-shadow.ts";

const PUSHES = 10_000;
const CLUSTER = "local" as ClusterName;
const KEY = "the cluster's key";
const ADMIN_KEY = "the administrator's key";
const URL_ = "http://edge/collector/v1/push";
const MODEL = "org/model";
const TYPED = /^(push_unauthenticated|push_malformed|push_replayed|model_not_found|method_not_allowed|body_too_large)$/;

const app = createApp({
  clusters: [{ name: CLUSTER, upstream: { kind: "direct" }, pushKeys: ["WARMPATH_CLUSTER_LOCAL_KEY"] }],
  models: [{ name: MODEL }],
});
const bindings = {
  ...env,
  WARMPATH_SECRET: "secret",
  WARMPATH_ADMIN_KEY: ADMIN_KEY,
  WARMPATH_CLUSTER_LOCAL_KEY: KEY,
};

function pick<Value>(values: readonly Value[], random: Random): Value {
  return values[Math.floor(random() * values.length)] as Value;
}

function words(count: number, random: Random): Uint8Array<ArrayBuffer> {
  // Few different ones, so that stores, removals and pods meet.
  return new Uint8Array(Uint32Array.from({ length: count }, () => Math.floor(60 * random())).buffer);
}

function podOf(name: string, random: Random): PodReport {
  return {
    name: `default/${name}/8000`,
    epoch: pick(["1", "1", "1", "1", "1", "1", "2"], random),
    url: `http://${name}:8000`,
    engine: "vllm",
    state: "ready",
    servedModels: [MODEL],
    capacityTokens: 100_000,
    index: { mode: "exact" },
    sample: { ageMs: 20, running: 1, waiting: 0, kvUsage: 0.5 },
  };
}

function claimOf(pod: PodReport, random: Random): ClaimChange {
  const { name, epoch } = pod;
  const of = { pod: random() < 0.9 ? name : "default/nobody/8000", epoch };
  const segments = Math.floor(12 * random());
  const kind = random();
  if (kind < 0.04) return { kind: "clear", ...of };
  if (kind < 0.35) return { kind: "remove", ...of, segments: words(2 * segments, random) };
  const tier = random() < 0.8 ? "gpu" : "host";
  return { kind: "store", ...of, tier, segments: words(2 * segments, random), tokens: words(segments, random) };
}

function pushOf(sequence: number, random: Random): PushMessage {
  const source = pick(["node-a", "node-a", "node-b"], random);
  const names = source === "node-a" ? ["a", "b", "c"] : ["c", "d"];
  const pods = names.filter(() => random() < 0.97).map((name) => podOf(name, random));
  const claims = pods.length === 0 ? [] : Array.from({ length: 4 }, () => claimOf(pick(pods, random), random));
  // A number or a start that was changed and taken makes what follows late: until the collector starts anew.
  const instance = `start-${Math.floor(sequence / 10)}`.padStart(12, "0");
  return { schema: 1, model: MODEL, source, instance, sequence, pods, claims };
}

async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const zipped = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(zipped).arrayBuffer());
}

type Sent = { readonly signed: Uint8Array<ArrayBuffer>; readonly sent: Uint8Array<ArrayBuffer> };

/** One push, wrong in one of the ways in which it can be: its value, its MessagePack, its gzip, or what was signed. */
async function mutatedPush(sequence: number, other: Uint8Array, random: Random): Promise<Sent> {
  const packed = encode(pushOf(sequence, random), { ignoreUndefined: true });
  const kind = random();
  if (kind < 0.2) return same(await gzip(packed));
  if (kind < 0.6) return same(await gzip(mutatedValue(packed, random)));
  if (kind < 0.8) return same(await gzip(mutatedBytes(packed, packed.slice(7), random)));
  const zipped = await gzip(packed);
  const changed = mutatedBytes(zipped, other, random);
  return kind < 0.9 ? same(changed) : { signed: zipped, sent: changed };
}

function same(body: Uint8Array<ArrayBuffer>): Sent {
  return { signed: body, sent: body };
}

it("answers 10,000 broken pushes with a typed refusal or takes them, and its index holds what was taken", async () => {
  const random = seededRandom(20_260_824);
  const key = await importHmacKey(KEY);
  const shadow = new ClaimShadow(CLUSTER);
  const reasons: Record<string, number> = {};
  let most = 0;
  let other: Uint8Array = new Uint8Array(64);

  const send = async ({ signed, sent }: Sent): Promise<void> => {
    const timeMs = Date.now();
    const signature = await signRequest(key, { method: "POST", path: "/collector/v1/push", timeMs, body: signed });
    const headers = {
      [PUSH_HEADERS.cluster]: CLUSTER,
      [PUSH_HEADERS.timeMs]: String(timeMs),
      [PUSH_HEADERS.signature]: signature,
    };
    const response = await app.request(URL_, { method: "POST", headers, body: sent }, bindings);
    const reason = response.headers.get("x-warmpath-reason") ?? `taken ${response.status}`;
    reasons[reason] = (reasons[reason] ?? 0) + 1;
    await response.text();
    if (response.status !== 200) {
      expect(reason).toMatch(TYPED);
      return;
    }
    const decoded = await decodePush(sent, 2 ** 24);
    if (!decoded.ok) throw new Error("taken, though it cannot be read");
    shadow.take(decoded.push);
  };
  const inspect = async (): Promise<RouterView> => {
    const headers = { authorization: `Bearer ${ADMIN_KEY}` };
    const path = `http://edge/admin/v1/models/${encodeURIComponent(MODEL)}`;
    return (await (await app.request(path, { headers }, bindings)).json()) as RouterView;
  };

  for (let sequence = 1; sequence <= PUSHES; sequence++) {
    const push = await mutatedPush(sequence, other, random);
    await send(push);
    if (random() < 0.05) await send(push);
    other = push.sent;
    if (sequence % 500 !== 0) continue;
    const { pods, confirmedClaims, doubtedClaims } = await inspect();
    most = Math.max(most, confirmedClaims + doubtedClaims);
    // A push that was skipped leaves claims in doubt; they are still those that were sent.
    const held = Object.fromEntries(
      pods.map(({ id, epoch, claims }) => [id, { epoch, claims: claims.confirmed + claims.doubted }]),
    );
    expect(held).toEqual(shadow.sizes());
    expect(confirmedClaims + doubtedClaims).toBe(Object.values(held).reduce((sum, { claims }) => sum + claims, 0));
  }

  expect(Object.keys(reasons).toSorted()).toEqual([
    "model_not_found",
    "push_malformed",
    "push_replayed",
    "push_unauthenticated",
    "taken 200",
  ]);
  expect(reasons["taken 200"]).toBeGreaterThan(PUSHES / 8);
  expect(most).toBeGreaterThan(50);
  for (const count of Object.values(reasons)) expect(count).toBeGreaterThan(20);
}, 60_000);

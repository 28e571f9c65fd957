import { type HmacKey, importHmacKey } from "../protocol/hmac-key.ts";
import type { ClusterName } from "../protocol/identifiers.ts";
import { PUSH_HEADERS, verifySignature } from "../protocol/push-signature.ts";
import type { Settings } from "../settings/settings.ts";
import { type Env, secretNamed } from "./env.ts";
import { Refusal } from "./refusal.ts";

const signingKeys = new Map<string, Promise<HmacKey>>();

/** The cluster whose key signed a collector's request. Throws Refusal where none did. */
export async function authenticatedCluster(
  request: Request,
  body: Uint8Array<ArrayBuffer>,
  env: Env,
  settings: Settings,
): Promise<ClusterName> {
  const nowMs = Date.now();
  const claimed = request.headers.get(PUSH_HEADERS.cluster);
  const cluster = settings.clusters.find(({ name }) => name === claimed);
  const secrets = (cluster?.pushKeys ?? []).flatMap((name) => secretNamed(env, name) ?? []);
  const keys = await Promise.all(secrets.map(signingKey));
  const signed = {
    method: request.method,
    path: new URL(request.url).pathname,
    timeMs: Number(request.headers.get(PUSH_HEADERS.timeMs) ?? Number.NaN),
    body,
  };
  const verdict = await verifySignature(keys, signed, request.headers.get(PUSH_HEADERS.signature) ?? "", nowMs);
  if (cluster !== undefined && verdict === "valid") return cluster.name as ClusterName;
  const why = verdict === "outside_window" ? "its time is too far from the edge's clock" : "its signature does not fit";
  throw new Refusal("push_unauthenticated", `The collector was refused: ${why}.`, {
    headers: { [PUSH_HEADERS.serverTimeMs]: String(nowMs) },
  });
}

function signingKey(secret: string): Promise<HmacKey> {
  let key = signingKeys.get(secret);
  if (key === undefined) {
    key = importHmacKey(secret);
    signingKeys.set(secret, key);
  }
  return key;
}

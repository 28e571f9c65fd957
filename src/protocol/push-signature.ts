import { fromHex, toHex } from "./hex.ts";
import type { HmacKey } from "./hmac-key.ts";

/**
 * HMAC-SHA256 over method, path, time and body digest with a key per cluster. Two keys can be valid at once, so that a
 * key is rotated without a gap.
 */

/** Headers of a signed push. Header names are lower case. */
export const PUSH_HEADERS = {
  cluster: "x-warmpath-cluster",
  timeMs: "x-warmpath-time",
  signature: "x-warmpath-signature",
  /** On a 401: the edge's clock, for the collector to correct its offset. */
  serverTimeMs: "x-warmpath-server-time",
} as const;

/** How far a push's time may be from the edge's clock, in ms. */
export const SIGNATURE_WINDOW_MS = 5 * 60_000;

/** What is signed. `timeMs` is the sender's clock after offset correction. */
export type SignedRequest = {
  readonly method: string;
  readonly path: string;
  readonly timeMs: number;
  readonly body: Uint8Array<ArrayBuffer>;
};

export type SignatureVerdict = "valid" | "outside_window" | "wrong_signature";

const encoder = new TextEncoder();

/** The signature as lower-case hex. */
export async function signRequest(key: HmacKey, request: SignedRequest): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.sign("HMAC", key, await signedText(request))));
}

/** Compares in constant time (`subtle.verify`) against each key that is valid for the cluster. */
export async function verifySignature(
  keys: readonly HmacKey[],
  request: SignedRequest,
  signatureHex: string,
  nowMs: number,
): Promise<SignatureVerdict> {
  if (!(Math.abs(nowMs - request.timeMs) <= SIGNATURE_WINDOW_MS)) return "outside_window";
  const signature = fromHex(signatureHex);
  if (signature === undefined) return "wrong_signature";
  const text = await signedText(request);
  let valid = false;
  for (const key of keys) {
    if (await crypto.subtle.verify("HMAC", key, signature, text)) valid = true;
  }
  return valid ? "valid" : "wrong_signature";
}

async function signedText(request: SignedRequest): Promise<Uint8Array<ArrayBuffer>> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", request.body));
  return new Uint8Array(encoder.encode(`${request.method}\n${request.path}\n${request.timeMs}\n${toHex(digest)}`));
}

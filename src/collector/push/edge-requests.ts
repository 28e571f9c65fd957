import { type Dispatcher, fetch } from "undici";
import type { HmacKey } from "../../protocol/hmac-key.ts";
import { PUSH_HEADERS, signRequest } from "../../protocol/push-signature.ts";

export type EdgeRequestsOptions = {
  readonly edgeUrl: string;
  readonly cluster: string;
  readonly key: HmacKey;
  readonly timeoutMs: number;
  readonly dispatcher: Dispatcher;
  /** Wall clock: the signature carries it. */
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
};

/** What the edge answered, or why nobody knows. */
export type EdgeAnswer =
  | { readonly kind: "answered"; readonly status: number; readonly headers: Headers; readonly text: string }
  | { readonly kind: "unreachable"; readonly reason: string };

type Headers = { get(name: string): string | null };

export type EdgeRequest = {
  readonly method: "GET" | "POST";
  /** As it stands in the URL, escapes included. */
  readonly path: string;
  /** MessagePack. */
  readonly body?: Uint8Array<ArrayBuffer>;
};

/** A smaller offset than this is not why a signature was refused. */
const CLOCK_TOLERANCE_MS = 1000;

/**
 * Signed requests to the edge. Keeps the offset between this machine's clock and the edge's: where that is why a
 * signature was refused, the request is sent once more.
 */
export class EdgeRequests {
  readonly #options: EdgeRequestsOptions;
  #clockOffsetMs = 0;

  constructor(options: EdgeRequestsOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  async send(request: EdgeRequest): Promise<EdgeAnswer> {
    const first = await this.#attempt(request);
    if (first.kind === "unreachable" || first.status !== 401) return first;
    return this.#correctClock(first.headers.get(PUSH_HEADERS.serverTimeMs), first.atMs)
      ? this.#attempt(request)
      : first;
  }

  /** `atMs`: half-way between sending and the answer. */
  async #attempt({ method, path, body }: EdgeRequest): Promise<EdgeAnswer & { readonly atMs: number }> {
    const { edgeUrl, cluster, key, dispatcher, nowMs, signal, timeoutMs } = this.#options;
    const sentMs = nowMs();
    const timeMs = Math.round(sentMs + this.#clockOffsetMs);
    try {
      const url = new URL(path, edgeUrl);
      const signed = { method, path: url.pathname, timeMs, body: body ?? new Uint8Array(0) };
      const response = await fetch(url, {
        method,
        ...(body !== undefined && { body }),
        dispatcher,
        redirect: "manual",
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
        headers: {
          ...(body !== undefined && { "content-type": "application/msgpack" }),
          [PUSH_HEADERS.cluster]: cluster,
          [PUSH_HEADERS.timeMs]: String(timeMs),
          [PUSH_HEADERS.signature]: await signRequest(key, signed),
        },
      });
      const text = await response.text();
      const { status, headers } = response;
      return { kind: "answered", status, headers, text, atMs: (sentMs + nowMs()) / 2 };
    } catch (error) {
      return { kind: "unreachable", reason: describe(error), atMs: sentMs };
    }
  }

  /** True when the clock was off and is now corrected. */
  #correctClock(serverTime: string | null, answeredMs: number): boolean {
    const serverMs = Number(serverTime ?? Number.NaN);
    if (!Number.isFinite(serverMs)) return false;
    const offsetMs = serverMs - answeredMs;
    if (Math.abs(offsetMs - this.#clockOffsetMs) < CLOCK_TOLERANCE_MS) return false;
    this.#clockOffsetMs = offsetMs;
    return true;
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message || error.cause.name : error.message;
}

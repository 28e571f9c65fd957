import type { HmacKey } from "../../protocol/hmac-key.ts";
import { PUSH_HEADERS, signRequest } from "../../protocol/push-signature.ts";
import type { HttpRequests } from "../http-requests.ts";

export type EdgeRequestsOptions = {
  readonly edgeUrl: string;
  readonly cluster: string;
  readonly key: HmacKey;
  readonly timeoutMs: number;
  readonly http: HttpRequests;
  /** Wall clock: the signature carries it. */
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
};

/** What the edge answered, or why nobody knows. */
export type EdgeAnswer =
  | {
      readonly kind: "answered";
      readonly status: number;
      /** By its name in lower case. */
      readonly header: (name: string) => string | undefined;
      readonly text: string;
    }
  | { readonly kind: "unreachable"; readonly reason: string };

export type EdgeRequest = {
  readonly method: "GET" | "POST";
  /** As it stands in the URL, escapes included. */
  readonly path: string;
  /** MessagePack. */
  readonly body?: Uint8Array<ArrayBuffer>;
};

/** The edge's answers are small. */
const MOST_ANSWER_BYTES = 16 * 1024 * 1024;

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
    return this.#correctClock(first.header(PUSH_HEADERS.serverTimeMs), first.atMs) ? this.#attempt(request) : first;
  }

  /** `atMs`: half-way between sending and the answer. */
  async #attempt({ method, path, body }: EdgeRequest): Promise<EdgeAnswer & { readonly atMs: number }> {
    const { edgeUrl, cluster, key, http, nowMs, signal, timeoutMs } = this.#options;
    const sentMs = nowMs();
    const timeMs = Math.round(sentMs + this.#clockOffsetMs);
    const url = new URL(path, edgeUrl);
    const signed = { method, path: url.pathname, timeMs, body: body ?? new Uint8Array(0) };
    const answer = await http.send({
      method,
      url,
      headers: {
        ...(body !== undefined && { "content-type": "application/msgpack" }),
        [PUSH_HEADERS.cluster]: cluster,
        [PUSH_HEADERS.timeMs]: String(timeMs),
        [PUSH_HEADERS.signature]: await signRequest(key, signed),
      },
      body,
      timeoutMs,
      mostBytes: MOST_ANSWER_BYTES,
      signal,
    });
    if (!answer.ok) return { kind: "unreachable", reason: answer.fault.message, atMs: sentMs };
    const { status, header, text } = answer;
    return { kind: "answered", status, header, text, atMs: (sentMs + nowMs()) / 2 };
  }

  /** True when the clock was off and is now corrected. */
  #correctClock(serverTime: string | undefined, answeredMs: number): boolean {
    const serverMs = Number(serverTime ?? Number.NaN);
    if (!Number.isFinite(serverMs)) return false;
    const offsetMs = serverMs - answeredMs;
    if (Math.abs(offsetMs - this.#clockOffsetMs) < CLOCK_TOLERANCE_MS) return false;
    this.#clockOffsetMs = offsetMs;
    return true;
  }
}

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { importHmacKey } from "../../../src/protocol/hmac-key.ts";
import { type ModelRendering, RENDERINGS_PATH } from "../../../src/protocol/model-rendering.ts";
import { decodePush } from "../../../src/protocol/push-codec.ts";
import type { PushMessage } from "../../../src/protocol/push-message.ts";
import { PUSH_HEADERS, verifySignature } from "../../../src/protocol/push-signature.ts";

export const CLUSTER_KEY = "a cluster's shared secret";

/** What the edge does with one push that was well signed and well formed. */
export type Treatment =
  /** Take it, unless its number was taken before. */
  | {
      readonly kind: "take";
      readonly resync?: readonly string[];
      readonly check?: readonly string[];
      readonly nextPushMs?: number;
    }
  /** Take it, and lose the reply. */
  | { readonly kind: "lose_reply" }
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly body?: string;
      readonly headers?: Record<string, string>;
    };

export type TestEdgeOptions = {
  readonly treat?: (push: PushMessage, attempt: number) => Treatment;
  /** How far the edge's clock is ahead of this machine's. */
  readonly clockAheadMs?: number;
  /** What it answers when asked how it renders a model; undefined: that it knows none. */
  readonly rendering?: (model: string) => ModelRendering | undefined;
};

/** The edge's side of a push, on a real HTTP server, with the verdicts of the real one. */
export class TestEdge {
  readonly #server = createServer((request, response) => void this.#handle(request, response));
  readonly #options: TestEdgeOptions;
  readonly #lastSequences = new Map<string, number>();
  /** Every attempt that arrived well signed and well formed. */
  readonly attempts: PushMessage[] = [];
  /** The attempts that were taken. */
  readonly taken: PushMessage[] = [];
  /** Why others were not let in. */
  readonly refusals: string[] = [];

  private constructor(options: TestEdgeOptions) {
    this.#options = options;
  }

  static async start(options: TestEdgeOptions = {}): Promise<TestEdge> {
    const edge = new TestEdge(options);
    edge.#server.listen(0, "127.0.0.1");
    await once(edge.#server, "listening");
    return edge;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = new Uint8Array(Buffer.concat(chunks));
    const edgeNowMs = Date.now() + (this.#options.clockAheadMs ?? 0);
    const verdict = await verifySignature(
      [await importHmacKey(CLUSTER_KEY)],
      {
        method: request.method ?? "",
        path: request.url ?? "",
        timeMs: Number(request.headers[PUSH_HEADERS.timeMs]),
        body,
      },
      String(request.headers[PUSH_HEADERS.signature]),
      edgeNowMs,
    );
    if (verdict !== "valid") {
      this.refusals.push(verdict);
      response.writeHead(401, { [PUSH_HEADERS.serverTimeMs]: String(edgeNowMs) }).end();
      return;
    }
    if (request.url?.startsWith(RENDERINGS_PATH)) {
      const name = decodeURIComponent(request.url.slice(RENDERINGS_PATH.length));
      const rendering = this.#options.rendering?.(name);
      response.writeHead(rendering === undefined ? 404 : 200).end(JSON.stringify(rendering ?? {}));
      return;
    }
    const decoded = await decodePush(body, 16 * 1024 * 1024);
    if (!decoded.ok || request.headers["content-type"] !== "application/msgpack") {
      this.refusals.push(decoded.ok ? "content_type" : decoded.error.message);
      response.writeHead(400).end();
      return;
    }
    this.attempts.push(decoded.push);
    const treatment = this.#options.treat?.(decoded.push, this.attempts.length) ?? { kind: "take" as const };
    this.#answer(decoded.push, treatment, response);
  }

  #answer(push: PushMessage, treatment: Treatment, response: ServerResponse): void {
    if (treatment.kind === "answer") {
      response.writeHead(treatment.status, treatment.headers).end(treatment.body);
      return;
    }
    const feed = `${push.source} ${push.instance} ${push.model}`;
    if (push.sequence <= (this.#lastSequences.get(feed) ?? 0)) {
      response.writeHead(409).end(JSON.stringify({ error: { code: "push_replayed" } }));
      return;
    }
    this.#lastSequences.set(feed, push.sequence);
    this.taken.push(push);
    if (treatment.kind === "lose_reply") {
      response.destroy();
      return;
    }
    const reply = {
      acknowledged: push.sequence,
      resync: treatment.resync ?? [],
      // An edge of before there were checks sends none.
      ...(treatment.check !== undefined && { check: treatment.check }),
      nextPushMs: treatment.nextPushMs ?? 20,
    };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(reply));
  }
}

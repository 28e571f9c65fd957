import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { decodePush } from "../../protocol/push-codec.ts";
import type { KvEventCounts, PushMessage, PushReply } from "../../protocol/push-message.ts";

/** What arrived, in all. */
export type UplinkTotals = {
  readonly pushes: number;
  /** Bodies as they were sent, gzip'd. */
  readonly bytes: number;
  readonly storedSegments: number;
  readonly removedSegments: number;
  readonly clears: number;
};

/** As the edge's. */
const NEXT_PUSH_MS = 500;
const MOST_BYTES = 64 * 1024 * 1024;

/** Takes a collector's pushes as the edge does, and only counts them. */
export class PushSink {
  readonly #server: Server;
  readonly #counts = new Map<string, KvEventCounts>();
  readonly #faults: string[] = [];
  #totals: UplinkTotals = { pushes: 0, bytes: 0, storedSegments: 0, removedSegments: 0, clears: 0 };

  private constructor() {
    this.#server = createServer((request, response) => void this.#take(request, response));
  }

  /** Listens on a port of 127.0.0.1 that the system chooses. */
  static async start(): Promise<PushSink> {
    const sink = new PushSink();
    sink.#server.listen(0, "127.0.0.1");
    await once(sink.#server, "listening");
    return sink;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get totals(): UplinkTotals {
    return this.#totals;
  }

  /** Pushes that could not be read. */
  get faults(): readonly string[] {
    return this.#faults;
  }

  /** What the collector says it counted on a pod's stream; undefined before its first report. */
  countsOf(pod: string): KvEventCounts | undefined {
    return this.#counts.get(pod);
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== "POST") {
      // How the edge renders the model, which nobody asks engines about here.
      response.writeHead(404).end();
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = new Uint8Array(Buffer.concat(chunks));
    const decoded = await decodePush(body, MOST_BYTES);
    if (!decoded.ok) {
      this.#faults.push(decoded.error.message);
      response.writeHead(400).end();
      return;
    }
    this.#count(decoded.push, body.byteLength);
    const { sequence, pods } = decoded.push;
    // The edge asks so of a feed that it hears of for the first time.
    const resync = sequence === 1 ? pods.map(({ name }) => name) : [];
    const reply: PushReply = { acknowledged: sequence, resync, nextPushMs: NEXT_PUSH_MS };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(reply));
  }

  #count({ pods, claims }: PushMessage, bytes: number): void {
    const { totals } = this;
    let { storedSegments, removedSegments, clears } = totals;
    for (const claim of claims) {
      if (claim.kind === "store") storedSegments += claim.segments.byteLength / 8;
      else if (claim.kind === "remove") removedSegments += claim.segments.byteLength / 8;
      else clears++;
    }
    this.#totals = {
      pushes: totals.pushes + 1,
      bytes: totals.bytes + bytes,
      storedSegments,
      removedSegments,
      clears,
    };
    for (const { name, kvEvents } of pods) if (kvEvents !== undefined) this.#counts.set(name, kvEvents);
  }
}

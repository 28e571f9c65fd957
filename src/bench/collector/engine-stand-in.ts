import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { XPublisher } from "zeromq";
import { EngineMetrics } from "../../sim/engine/metrics.ts";
import { BLOCK_TOKENS, type Publication } from "./played-engine.ts";

const VERSION = "0.24.0";
const STARTED_S = 1_785_000_000;
const NOTHING = {
  running: 0,
  waiting: 0,
  kvUsage: 0,
  totals: { prefixQueryTokens: 0, prefixHitTokens: 0, prefillTokens: 0, preemptions: 0 },
  runningAdapters: [],
  waitingAdapters: [],
};

/** What a collector sees of one engine: the routes it asks, and a PUB socket that sends what it is given. */
export class EngineStandIn {
  readonly name: string;
  readonly #server: Server;
  readonly #publisher: XPublisher;
  #sequence = 0n;

  private constructor(name: string, server: Server, publisher: XPublisher) {
    this.name = name;
    this.#server = server;
    this.#publisher = publisher;
  }

  /** Listens on ports of 127.0.0.1 that the system chooses. `blocks`: of the KV cache that it tells of. */
  static async start(name: string, model: string, blocks: number): Promise<EngineStandIn> {
    const metrics = new EngineMetrics(
      {
        modelName: model,
        blockTokens: BLOCK_TOKENS,
        blockCount: blocks,
        cacheSizeTokens: blocks * BLOCK_TOKENS,
        startedUnixS: Math.floor(Date.now() / 1000),
        hashAlgorithm: "sha256",
        adapters: 0,
        tellsCacheSize: true,
      },
      () => NOTHING,
    );
    const server = createServer((request, response) => void answer(request, response, model, metrics));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    // No mark: what is sent is bounded by whoever sends, and nothing may be lost.
    const publisher = new XPublisher({ linger: 0, sendHighWaterMark: 0 });
    await publisher.bind("tcp://127.0.0.1:*");
    return new EngineStandIn(name, server, publisher);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** `tcp://host:port` of its KV events. */
  get kvEvents(): string {
    return this.#publisher.lastEndpoint ?? "";
  }

  /** Resolves when the collector's subscription has arrived: nothing published later is lost. */
  async subscribed(): Promise<void> {
    await this.#publisher.receive();
  }

  async publish({ payload }: Publication): Promise<void> {
    const sequence = Buffer.allocUnsafe(8);
    sequence.writeBigUInt64BE(this.#sequence++);
    await this.#publisher.send(["", sequence, payload]);
  }

  async close(): Promise<void> {
    this.#publisher.close();
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }
}

async function answer(
  { url }: IncomingMessage,
  response: ServerResponse,
  model: string,
  metrics: EngineMetrics,
): Promise<void> {
  if (url === "/v1/models") sendJson(response, { data: [{ id: model, parent: null, owned_by: "vllm" }] });
  else if (url === "/version") sendJson(response, { version: VERSION });
  else if (url === "/metrics") {
    response.writeHead(200, { "content-type": metrics.contentType });
    response.end(`process_start_time_seconds ${STARTED_S}\n${await metrics.expose()}`);
  } else response.writeHead(404).end();
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}

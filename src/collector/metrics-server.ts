import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { Registry } from "prom-client";

// Not imported, for the same reason as in http-requests.ts.
const { createServer } = process.getBuiltinModule("node:http");

export type MetricsServer = {
  /** `http://127.0.0.1:port/metrics` */
  readonly url: string;
  close(): Promise<void>;
};

/** Serves a registry as `GET /metrics` on loopback, where it needs no authentication. Rejects if the port is taken. */
export async function startMetricsServer(registry: Registry, port: number): Promise<MetricsServer> {
  const server = createServer((request, response) => {
    if (request.method !== "GET" || request.url !== "/metrics") {
      response.writeHead(404).end();
      return;
    }
    void registry.metrics().then((text) => {
      response.writeHead(200, { "content-type": registry.contentType }).end(text);
    });
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}/metrics`,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { vi } from "vitest";
import { reportPods } from "../../src/bench/proxy/synthetic-pods.ts";
import { type LiveStack, SECRETS } from "./live-stack.ts";

/** Answers one generation request, word for word. */
export type Script = (response: ServerResponse, request: IncomingMessage) => void;

/** A pod of the model `scripted` that answers what a test wants, down to the single write. */
export type ScriptedPod = {
  script: Script;
  /** False: nothing but what runs already is answered, not even whether the pod is there. */
  answers: boolean;
  /** Requests that have no whole answer yet. */
  inFlight(): number;
  /** The edge's pods of the model become as many as this; all are the same server. */
  report(pods: number): Promise<void>;
  stop(): Promise<void>;
};

/** Starts the server and has it known to the edge as `pods` pods. */
export async function startScriptedPod(stack: LiveStack, pods: number): Promise<ScriptedPod> {
  let inFlight = 0;
  const server = createServer((request, response) => {
    if (!pod.answers) return;
    if (request.method === "GET") return void response.end();
    inFlight++;
    response.once("close", () => {
      inFlight--;
    });
    request.resume();
    request.once("end", () => pod.script(response, request));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const podUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let stopReports = async (): Promise<void> => undefined;
  const report = async (count: number): Promise<void> => {
    await stopReports();
    const clusterKey = SECRETS.WARMPATH_CLUSTER_OTHER_KEY;
    const where = { edgeUrl: stack.edge.url, cluster: "other", clusterKey, model: "scripted", podUrl };
    ({ stop: stopReports } = await reportPods({ ...where, pods: count, capacityTokens: 100_000 }));
  };
  const pod: ScriptedPod = {
    script: (response) => void response.end(),
    answers: true,
    inFlight: () => inFlight,
    report,
    stop: async () => {
      await stopReports();
      server.closeAllConnections();
      server.close();
    },
  };
  await report(pods);
  await vi.waitFor(async () => {
    const known = (await stack.inspect("scripted")).pods;
    if (known.length !== pods) throw new Error(`the edge knows ${known.length} scripted pods`);
  });
  return pod;
}

/** Writes the parts of a stream of events, each in a packet of its own, then ends it. */
export async function writeEvents(response: ServerResponse, parts: readonly string[]): Promise<void> {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.flushHeaders();
  for (const part of parts) {
    response.write(part);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  response.end();
}

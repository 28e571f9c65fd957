import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";
import type { ModelRouter } from "../../durable/model-router.ts";
import type { RouteCall, RouteReply } from "../../durable/routing-rpc.ts";
import { createApp } from "../../src/edge/app.ts";
import { newApiKey } from "../../src/protocol/api-key.ts";
import type { ClusterName } from "../../src/protocol/identifiers.ts";

const SECRET = "the deployment's secret";

/** A pod as a test plays it: answers one request to `http://NAME:8000`. */
export type PlayedPod = (request: Request, path: string) => Response | Promise<Response>;

/** The Worker's app on a model of its own, with pods that the test plays and a router that it may replace. */
export type EdgeUnderTest = {
  readonly model: string;
  /** The model's real router. */
  router(): DurableObjectStub<ModelRouter>;
  /** What `getByName` gives instead of the real router's stub; undefined for that one. */
  replacement: unknown;
  /** Pods by name. A pod that is not here refuses connections. */
  readonly pods: Map<string, PlayedPod>;
  /** Has the real router know these pods, and keep them over a reset. */
  report(...names: string[]): Promise<void>;
  chat(change?: object, init?: { headers?: Record<string, string>; signal?: AbortSignal }): Promise<Response>;
  /** Resolves when everything that outlives the answers is done. */
  settled(): Promise<void>;
};

/** Makes an edge with its own model, so that nothing an isolate remembers is shared between tests. */
export async function edgeUnderTest(limits: object = {}, modelSettings: object = {}): Promise<EdgeUnderTest> {
  const model = `m-${crypto.randomUUID()}`;
  const { key, sha256 } = await newApiKey("all", SECRET);
  const app = createApp({
    clusters: [{ name: "local", upstream: { kind: "direct" }, pushKeys: ["WARMPATH_CLUSTER_LOCAL_KEY"] }],
    models: [{ name: model, ...modelSettings }],
    keys: [{ id: "all", sha256, debug: true }],
    limits: { usageOneIn: 0, ...limits },
  });
  const contexts: ExecutionContext[] = [];
  const pods = new Map<string, PlayedPod>();
  let sequence = 0;
  const router = () => env.MODEL_ROUTER.getByName(`${model}|auto|0`);
  const edge: EdgeUnderTest = {
    model,
    router,
    replacement: undefined,
    pods,
    report: async (...names) => {
      const reports = names.map((name) => ({
        name: `default/${name}/8000`,
        epoch: "1",
        url: `http://${name}:8000`,
        engine: "vllm" as const,
        state: "ready" as const,
        servedModels: [model],
      }));
      sequence++;
      const push = { schema: 1 as const, model, source: "node", instance: "one", sequence, pods: reports, claims: [] };
      await router().ingest({ cluster: "local" as ClusterName, push });
    },
    chat: async (change = {}, { headers = {}, signal } = {}) => {
      const ctx = createExecutionContext();
      contexts.push(ctx);
      const request = new Request("http://edge/v1/chat/completions", {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "routing-strategy": "round-robin", ...headers },
        body: JSON.stringify({ model, messages: [{ role: "user", content: "hi" }], ...change }),
        ...(signal !== undefined && { signal }),
      });
      const namespace = { getByName: () => edge.replacement ?? router() };
      return app.fetch(request, { ...env, WARMPATH_SECRET: SECRET, MODEL_ROUTER: namespace } as never, ctx);
    },
    settled: async () => {
      for (const ctx of contexts.splice(0)) await waitOnExecutionContext(ctx);
    },
  };
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    const request = new Request(url, init);
    const { hostname, pathname } = new URL(url);
    const pod = pods.get(hostname);
    if (pod === undefined) throw new Error("connection refused");
    const { promise: cancelled, reject } = Promise.withResolvers<never>();
    init.signal?.addEventListener("abort", () => reject(new Error("aborted")));
    cancelled.catch(() => undefined);
    return cutOff(await Promise.race([pod(request, pathname), cancelled]), cancelled);
  });
  return edge;
}

/** What a scripted router was told of its one lease. */
export type ToldRouter = { readonly stub: object; readonly moves: unknown[]; readonly outcomes: unknown[] };

/** A router that places requests on the named pods in turn and notes what it is told. */
export function scriptedRouter(...names: string[]): ToldRouter {
  const moves: unknown[] = [];
  const outcomes: unknown[] = [];
  const left = [...names];
  const place = () => {
    const name = left.shift();
    if (name === undefined) return { ok: false as const, reason: "no_endpoints" as const, podsKnown: names.length };
    const index = { mode: "approximate" as const };
    const pod = { id: `local/default/${name}/8000`, cluster: "local", epoch: "1", url: `http://${name}:8000`, index };
    return { ok: true as const, leaseId: "l-1", pod, promptTokens: 1, matchedTokens: 0 };
  };
  const lease = {
    firstToken: async () => undefined,
    renew: async () => true,
    mayMove: async () => left.length > 0,
    isOverdue: async () => false,
    move: async (call: unknown) => {
      moves.push(call);
      return place();
    },
    finish: async (outcome: unknown) => void outcomes.push(outcome),
    [Symbol.dispose]: () => undefined,
  };
  const route = async (_call: RouteCall) => ({ ...place(), lease }) as unknown as RouteReply;
  return { stub: { route }, moves, outcomes };
}

/** The response as `fetch` gives it: its body breaks when the request is cancelled. */
function cutOff(response: Response, cancelled: Promise<never>): Response {
  if (response.body === null) return response;
  const reader = response.body.getReader();
  const body = new ReadableStream({
    async pull(controller) {
      const { value, done } = await Promise.race([reader.read(), cancelled]);
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return new Response(body, response);
}

/** A stream of events whose bytes a test writes. */
export type PlayedStream = {
  readonly response: Response;
  readonly write: (text: string) => void;
  readonly end: () => void;
  readonly break: () => void;
};

export function playedStream(): PlayedStream {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start: (own) => {
      controller = own;
    },
  });
  return {
    response: new Response(body, { headers: { "content-type": "text/event-stream" } }),
    write: (text) => controller?.enqueue(new TextEncoder().encode(text)),
    end: () => controller?.close(),
    break: () => controller?.error(new Error("the pod died")),
  };
}

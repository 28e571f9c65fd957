import { timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { ApiError } from "./api-error.ts";
import type { EngineOptions } from "./engine-options.ts";
import type { EngineServices } from "./engine-services.ts";
import { serveGeneration } from "./generation-routes.ts";
import { answerWithStatus, readText, sendJson, sendText } from "./http-reply.ts";
import { renderChat, renderCompletion } from "./render-routes.ts";
import { readRequestBody } from "./request-body.ts";
import { describeTokenizer, describeVersion, detokenize, embed, listModels, tokenize } from "./side-routes.ts";

/** Answers one request; throws ApiError for what it refuses. */
export type RouteHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  services: EngineServices,
) => Promise<void> | void;

/** Handlers by `METHOD /path`. */
export type RouteTable = Readonly<Record<string, RouteHandler>>;

// These take their fault once the body is read, since some faults need to know what was asked.
const GENERATION_PATHS: ReadonlySet<string> = new Set(["/v1/chat/completions", "/v1/completions"]);

/** The routes of vLLM's API server, those that the options switch off left out. */
export function engineRoutes({ renderRoutes, tokenizerInfo }: EngineOptions): RouteTable {
  return {
    ...alwaysServed,
    ...(renderRoutes && renderTable),
    ...(tokenizerInfo && {
      "GET /tokenizer_info": (_: IncomingMessage, response: ServerResponse) =>
        sendJson(response, 200, describeTokenizer()),
    }),
  };
}

const renderTable: RouteTable = {
  "POST /v1/chat/completions/render": async (request, response, services) =>
    sendJson(response, 200, renderChat(readRequestBody(await readText(request)), services)),
  "POST /v1/completions/render": async (request, response, services) =>
    sendJson(response, 200, renderCompletion(readRequestBody(await readText(request)), services)),
};

const alwaysServed: RouteTable = {
  "POST /v1/chat/completions": (request, response, services) => serveGeneration("chat", request, response, services),
  "POST /v1/completions": (request, response, services) => serveGeneration("completion", request, response, services),
  "POST /v1/embeddings": async (request, response, services) =>
    sendJson(response, 200, embed(readRequestBody(await readText(request)), services)),
  "POST /tokenize": async (request, response, services) =>
    sendJson(response, 200, tokenize(readRequestBody(await readText(request)), services)),
  "POST /detokenize": async (request, response, services) =>
    sendJson(response, 200, detokenize(readRequestBody(await readText(request)), services)),
  "POST /reset_prefix_cache": (request, response, services) => {
    const query = new URL(request.url ?? "/", "http://engine").searchParams;
    services.core().clearCache(query.get("reset_running_requests") === "true");
    sendText(response, 200, "", "text/plain");
  },
  "GET /v1/models": (_, response, services) => sendJson(response, 200, listModels(services)),
  "GET /health": (_, response) => sendText(response, 200, "", "text/plain"),
  "GET /ping": (_, response) => sendText(response, 200, "", "text/plain"),
  "GET /version": (_, response, services) => sendJson(response, 200, describeVersion(services)),
  "GET /load": (_, response, services) => sendJson(response, 200, { server_load: services.ledger.inFlight }),
  "GET /metrics": async (_, response, services) => {
    const { metrics } = services.core();
    sendText(response, 200, await metrics.expose(), metrics.contentType);
  },
};

/** A server for a route table. `apiKey`, where set, guards the paths under /v1. */
export function createRouteServer(routes: RouteTable, services: EngineServices, apiKey: string | null): Server {
  const server = createServer((request, response) => {
    // A connection kept from before the port was shut must not be a way in.
    if (!server.listening) {
      request.socket.destroy();
      return;
    }
    answer(routes, services, apiKey, request, response).catch((error: unknown) => {
      refuse(response, error);
    });
  });
  return server;
}

async function answer(
  routes: RouteTable,
  services: EngineServices,
  apiKey: string | null,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
  if (apiKey !== null && path.startsWith("/v1") && !isAuthorised(request, apiKey)) {
    throw new ApiError(401, "AuthenticationError", "Unauthorized");
  }
  const isGeneration = GENERATION_PATHS.has(path);
  const fault = isGeneration || path.startsWith("/sim/") ? null : services.requestFaults.takeAnyRoute();
  if (fault?.kind === "hang") return;
  if (fault?.kind === "status") return answerWithStatus(fault, response);
  const handler = routes[`${request.method} ${path}`];
  if (handler !== undefined) return handler(request, response, services);
  const otherMethod = Object.keys(routes).some((route) => route.endsWith(` ${path}`));
  if (otherMethod) throw new ApiError(405, "MethodNotAllowed", "Method Not Allowed");
  throw new ApiError(404, "NotFoundError", "Not Found");
}

function isAuthorised(request: IncomingMessage, apiKey: string): boolean {
  const given = Buffer.from(request.headers.authorization ?? "");
  const wanted = Buffer.from(`Bearer ${apiKey}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

function refuse(response: ServerResponse, error: unknown): void {
  // A client that broke off while sending its body needs no answer.
  if (response.destroyed || response.socket?.destroyed === true) return;
  if (error instanceof ApiError) sendJson(response, error.status, error.envelope());
  else {
    const reason = error instanceof Error ? error.message : String(error);
    sendJson(response, 500, new ApiError(500, "InternalServerError", reason).envelope());
  }
}

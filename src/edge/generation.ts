import type { RefusedRequest } from "../../durable/routing-rpc.ts";
import type { KeySettings, Settings } from "../settings/settings.ts";
import { ClientAnswer } from "./client-answer.ts";
import { type Env, hashSecret } from "./env.ts";
import { type Forwarding, forward } from "./forward.ts";
import { type GenerationEndpoint, type GenerationRequest, readGenerationRequest } from "./generation-request.ts";
import { HeldLease } from "./held-lease.ts";
import { Refusal } from "./refusal.ts";
import { SESSION_HEADER } from "./request-affinity.ts";
import { holdBody } from "./request-body.ts";
import { RequestTimer } from "./request-timer.ts";
import { RouterCalls } from "./router-call.ts";
import { routingQuestion } from "./routing-question.ts";
import { withStreamUsage } from "./usage.ts";

/** Generation requests taken by this isolate: every so-manieth stream has its usage read. */
let taken = 0;

/** What the app hands to a generation request. */
export type GenerationCall = {
  readonly env: Env;
  readonly settings: Settings;
  readonly key: KeySettings;
  readonly request: Request;
  readonly endpoint: GenerationEndpoint;
  readonly path: string;
  readonly requestId: string;
  readonly waitUntil: (work: Promise<unknown>) => void;
};

/**
 * The way of a generation request: everything that can be refused is refused first, then one call to the model's
 * router, then the pod. A refused request touches no count and no index.
 */
export async function generate(call: GenerationCall): Promise<Response> {
  const { env, settings, key, request, endpoint, requestId, waitUntil } = call;
  const arrivedMs = Date.now();
  const timer = new RequestTimer();
  const held = await holdBody(request, settings.limits);
  try {
    const asked = readGenerationRequest(endpoint, held.bytes);
    const origin = typeof request.cf?.colo === "string" ? request.cf.colo : undefined;
    const asker = { settings, key, headers: request.headers, origin, secret: hashSecret(env) };
    const { model, call: question, givenSession: given, approximate } = await routingQuestion(asked, asker);
    const { policy } = question;
    const { firstByteMs, wholeMs, headersEarly } = settings.limits;
    const answer = new ClientAnswer(request.signal, timer);
    const router = new RouterCalls({
      env,
      model,
      limits: settings.limits,
      timer,
      session: request.headers.get("x-session-id") ?? undefined,
      patience: {
        left: answer.left,
        untilMs: arrivedMs + (asked.stream ? firstByteMs : wholeMs),
        onHeld: () => {
          if (asked.stream && headersEarly) answer.commentUntilCommit(() => waitingResponse(requestId, policy));
        },
      },
    });
    const routeCall = { ...question, explain: key.debug };
    const place = async (): Promise<HeldLease> => {
      const placed = await router.route(routeCall);
      if (!placed.ok) throw refusalOf(placed, asked.model, policy);
      return new HeldLease({ router, call: routeCall, placed, openedMs: Date.now() });
    };
    const streamUsage = streamUsageOf(asked, settings.limits.usageOneIn);
    const forwarding: Forwarding = {
      env,
      settings,
      place,
      answer,
      timer,
      client: request,
      streamed: asked.stream,
      requestId,
      path: call.path,
      body: streamUsage === "strip" ? withStreamUsage(held.bytes) : held.bytes,
      streamUsage,
      arrivedMs,
      releaseBody: held.release,
      describe: (lease, headers) => {
        if (given !== undefined) headers.set(SESSION_HEADER, given);
        describe(lease, policy, key, approximate, headers);
      },
    };
    waitUntil(forward(forwarding));
    // Not awaited here: what it may be refused with is dealt with there.
    return answer.response;
  } catch (error) {
    held.release();
    timer.stop();
    throw error;
  }
}

/** What a stream begins with whose request has waited for a pod for long enough to be told so. */
function waitingResponse(requestId: string, policy: string): Response {
  const headers = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-request-id": requestId,
    "x-warmpath-attempts": "0",
    "x-warmpath-policy": policy,
  };
  return new Response(null, { headers });
}

/** Whether this stream's usage is read in JavaScript, and whether the edge has to ask for it. */
function streamUsageOf(asked: GenerationRequest, oneIn: number): "skip" | "read" | "strip" {
  if (!asked.stream || oneIn === 0 || taken++ % oneIn !== 0) return "skip";
  if (asked.includeUsage) return "read";
  // A request with stream options of its own that do not ask for usage keeps them as they are.
  return asked.hasStreamOptions ? "skip" : "strip";
}

/** What a client is told whose request the router has no pod for. */
export function refusalOf(reply: RefusedRequest, model: string, policy: string): Refusal {
  if (reply.reason === "unknown_policy") {
    const known = reply.known.join(", ");
    const problem = reply.problem === undefined ? "" : `: ${reply.problem}`;
    return new Refusal("unknown_policy", `Unknown routing strategy \`${policy}\`${problem}. Use one of: ${known}.`, {
      param: "routing-strategy",
    });
  }
  if (reply.reason === "no_endpoints") {
    const why = reply.podsKnown === 0 ? "none is known" : "none of those known is ready";
    return new Refusal("no_endpoints", `No pod serves the model \`${model}\`: ${why}. Retry shortly.`, {
      headers: { "retry-after": "5" },
    });
  }
  if (reply.reason === "retry_budget") {
    return new Refusal("upstream_failed", "Too many requests are being tried again. Retry shortly.");
  }
  const seconds = Math.max(1, Math.ceil(reply.retryAfterMs / 1_000));
  return new Refusal("saturated", `${SATURATED[reply.reason]} Retry after ${seconds} s.`, {
    headers: { "retry-after": String(seconds) },
  });
}

/** What a client is told whom the queue refused. */
const SATURATED = {
  queue_full: "Every pod of the model is busy and too many requests are waiting already.",
  deadline_unmeetable: "Every pod of the model is busy, and the request would still be waiting at its deadline.",
  slo_unmeetable: "Every pod of the model is busy: the first token would come later than `x-slo-ttft-ms` asks for.",
  waited_too_long: "Every pod of the model stayed busy for as long as the request could wait.",
} as const;

function describe(
  lease: HeldLease,
  policy: string,
  key: KeySettings,
  approximate: string | undefined,
  headers: Headers,
): void {
  headers.set("x-warmpath-policy", policy);
  if (!key.debug) return;
  const { pod, promptTokens, matchedTokens, record } = lease.placement;
  headers.set("target-pod", pod.id);
  headers.set("x-warmpath-match", `${matchedTokens}/${promptTokens}`);
  const { mode, reason } = approximate === undefined ? pod.index : { mode: "approximate", reason: approximate };
  headers.set("x-warmpath-index", reason === undefined ? mode : `${mode}; ${reason}`);
  if (record !== undefined) headers.set("x-warmpath-decision", JSON.stringify(record));
}

import * as z from "zod";
import type { ExplainReply } from "../../durable/decision-rpc.ts";
import type { KeySettings, Settings } from "../settings/settings.ts";
import { readQuery } from "./admin-query.ts";
import { type Env, hashSecret } from "./env.ts";
import { refusalOf } from "./generation.ts";
import { type GenerationEndpoint, readGenerationRequest } from "./generation-request.ts";
import { errorText, log } from "./log.ts";
import { routerStub } from "./placement.ts";
import { Refusal } from "./refusal.ts";
import { SESSION_HEADER } from "./request-affinity.ts";
import { holdBody } from "./request-body.ts";
import { type RoutingQuestion, routingQuestion } from "./routing-question.ts";
import { unitOf } from "./term-units.ts";

/** The query of `POST /admin/v1/explain`; what it says goes before the headers. `exclude` can be given several times. */
const querySchema = z.object({
  policy: z.string().min(1).optional(),
  session: z.string().min(1).optional(),
  /** The API key, by its id, whose request it is taken to be. */
  key: z.string().min(1).optional(),
  /** Where it is not clear from the body. */
  endpoint: z.enum(["chat", "completions"]).optional(),
});

/** Whose request it is where no key is named: that of one that may use every model. */
const ADMINISTRATOR: KeySettings = { id: "admin", sha256: "", priority: 0, weight: 1, debug: true };

/**
 * Takes a generation request as a client would send it, headers included, up to the decision and no further: what would
 * become of it, and why. Opens no lease, claims nothing, sends nothing.
 */
export async function explainRequest(request: Request, env: Env, settings: Settings): Promise<Response> {
  const { policy, session, key, endpoint } = readQuery(request, querySchema);
  const headers = new Headers(request.headers);
  if (policy !== undefined) headers.set("routing-strategy", policy);
  if (session !== undefined) headers.set(SESSION_HEADER, session);
  const held = await holdBody(request, settings.limits);
  try {
    const asked = readGenerationRequest(endpoint ?? endpointOf(held.bytes), held.bytes);
    const origin = typeof request.cf?.colo === "string" ? request.cf.colo : undefined;
    const asker = { settings, key: keyNamed(key, settings), headers, origin, secret: hashSecret(env) };
    const question = await routingQuestion(asked, asker);
    const { firstByteMs, wholeMs } = settings.limits;
    const call = {
      ...question.call,
      deadlineMs: asked.stream ? firstByteMs : wholeMs,
      excludedPods: new URL(request.url).searchParams.getAll("exclude"),
    };
    const reply = await explained(question, call, env);
    if (!reply.ok) throw refusalOf(reply, asked.model, call.policy);
    return Response.json(explanationOf(asked.endpoint, question, reply));
  } finally {
    held.release();
  }
}

async function explained({ model }: RoutingQuestion, call: RoutingQuestion["call"], env: Env): Promise<ExplainReply> {
  try {
    // The runtime's result type wraps every member in stubs; the shape is the method's own.
    return (await routerStub(env, model.base, model.settings.region).explain(call)) as unknown as ExplainReply;
  } catch (error) {
    log("warn", "explain_failed", { model: model.base, error: errorText(error) });
    throw new Refusal("router_unavailable", "The router of this model cannot be reached. Retry shortly.", {
      headers: { "retry-after": "1" },
    });
  }
}

function explanationOf(
  endpoint: GenerationEndpoint,
  { model, call, approximate }: RoutingQuestion,
  reply: Extract<ExplainReply, { ok: true }>,
): object {
  const { promptTokens, segments, admission, queue, columns, candidates, leftOut, rates } = reply;
  const placed = admission === "placed" ? candidates[0]?.id : undefined;
  return {
    model: { asked: call.model, base: model.base, adapter: model.adapter ?? null },
    policy: { name: call.policy, parameters: JSON.parse(call.policyParameters ?? "{}") },
    prompt: {
      endpoint,
      renderer: model.settings.prompt.renderer,
      bytes: call.promptBytes,
      tokens: promptTokens,
      segments,
      segmentBytes: call.segmentBytes,
      approximate: approximate ?? null,
    },
    admission: { outcome: admission, ...queue },
    chosen: placed ?? null,
    columns: columns.map((name) => ({ name, unit: unitOf(name) ?? null })),
    candidates,
    leftOut,
    rates,
  };
}

/** A body with messages is a chat. One that cannot be read is refused by its reader. */
function endpointOf(bytes: Uint8Array): GenerationEndpoint {
  try {
    const body: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof body === "object" && body !== null && "messages" in body ? "chat" : "completions";
  } catch {
    return "completions";
  }
}

function keyNamed(id: string | undefined, { keys }: Settings): KeySettings {
  if (id === undefined) return ADMINISTRATOR;
  const key = keys.find((each) => each.id === id);
  if (key === undefined) throw new Refusal("bad_field", `key: there is no key \`${id}\``, { param: "key" });
  return key;
}

import type { RouteCall } from "../../durable/routing-rpc.ts";
import type { KeySettings, Settings } from "../settings/settings.ts";
import type { GenerationRequest } from "./generation-request.ts";
import { type ResolvedModel, resolveModel } from "./model-resolution.ts";
import { promptSegments } from "./prompt-segments.ts";
import { requestAffinity, sessionName } from "./request-affinity.ts";
import { routingRulesText } from "./routing-rules.ts";

/** Who asks, and with what. */
export type Asker = {
  readonly settings: Settings;
  readonly key: KeySettings;
  readonly headers: Headers;
  /** The data centre that the request entered by, where there is one. */
  readonly origin: string | undefined;
  /** Seeds hashes. */
  readonly secret: string;
};

/** What the model's router is asked about a request. */
export type RoutingQuestion = {
  readonly model: ResolvedModel;
  readonly call: Omit<RouteCall, "explain">;
  /** Made up for a client that asks for affinity and names no session: it is told. */
  readonly givenSession: string | undefined;
  /** Why the prompt's text is not what its engine tokenizes, or cannot be told. */
  readonly approximate: string | undefined;
};

/**
 * Turns a generation request into what its router is asked: the model, the policy, the prompt's hashes and what ties
 * requests together. Throws a Refusal where there is no such model or the key may not use it.
 */
export async function routingQuestion(
  asked: GenerationRequest,
  { settings, key, headers, origin, secret }: Asker,
): Promise<RoutingQuestion> {
  const model = resolveModel(asked.model, settings, key);
  const { policy, policyParameters } = policyOf(headers, model);
  const named = sessionName(headers, asked);
  // Who asks for affinity without a session is given one to come back with, as by AIBrix.
  const givenSession = named === undefined && policy.includes("session-affinity") ? crypto.randomUUID() : undefined;
  const { segments, promptBytes, approximate } = await promptSegments(asked, model, settings.limits, secret);
  return {
    model,
    givenSession,
    approximate,
    call: {
      model: asked.model,
      policy,
      policyParameters,
      segments,
      segmentBytes: model.settings.segmentBytes,
      promptBytes,
      promptTokens: asked.promptTokens,
      choices: asked.choices,
      adapter: model.adapter,
      ...(await requestAffinity(named ?? givenSession, headers, asked, key, secret)),
      sloTtftMs: sloTtftMs(headers),
      origin,
      rules: routingRulesText(model.settings),
      key: key.id,
      priority: key.priority,
      weight: key.weight,
      streamed: asked.stream,
      mostOutputTokens: asked.mostOutputTokens,
    },
  };
}

/** The policy a request is placed by: of its header, else of the model. Parameters go with the policy they were set for. */
function policyOf(headers: Headers, { settings }: ResolvedModel) {
  const { name, parameters } = settings.policy;
  const policy = headers.get("routing-strategy")?.trim() || name;
  const set = policy === name && Object.keys(parameters).length > 0;
  return { policy, policyParameters: set ? JSON.stringify(parameters) : undefined };
}

/** The client's goal for its first token. One that is no positive number is none. */
function sloTtftMs(headers: Headers): number | undefined {
  const goalMs = Number(headers.get("x-slo-ttft-ms") ?? Number.NaN);
  return Number.isFinite(goalMs) && goalMs > 0 ? goalMs : undefined;
}

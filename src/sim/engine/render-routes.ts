import { randomUUID } from "node:crypto";
import { z } from "zod";
import { type EngineServices, resolveModel } from "./engine-services.ts";
import { checkLengths, type GenerationRequest, readChatRequest, readCompletionRequest } from "./generation-request.ts";
import { checkBody, type RequestBody } from "./request-body.ts";

const samplingSchema = z.object({
  temperature: z.number().nullish(),
  top_p: z.number().nullish(),
  top_k: z.int().nullish(),
  min_p: z.number().nullish(),
  n: z.int().nullish(),
  seed: z.int().nullish(),
});

const envelopeSchema = z.looseObject({ model: z.string().nullish(), priority: z.int().nullish() });

/**
 * POST /v1/chat/completions/render: what the chat request becomes before it is generated, as vLLM's GenerateRequest: the
 * prompt's token ids (its text is not told) and the limits that apply. Generates and caches nothing. Throws ApiError.
 */
export function renderChat(body: RequestBody, services: EngineServices): unknown {
  const asked = readChatRequest(body, services.tokenizer);
  const [rendered] = renderPrompts("chatcmpl", asked, body, services);
  return rendered;
}

/** POST /v1/completions/render: the same, a list with one entry for each prompt. Throws ApiError. */
export function renderCompletion(body: RequestBody, services: EngineServices): unknown {
  return renderPrompts("cmpl", readCompletionRequest(body, services.tokenizer), body, services);
}

function renderPrompts(
  idPrefix: string,
  asked: GenerationRequest,
  body: RequestBody,
  { options, dimensions }: EngineServices,
): unknown[] {
  const { model, priority } = checkBody(envelopeSchema, body.plain);
  resolveModel(options, asked.model);
  checkLengths(asked, dimensions.maxModelLen);
  const sampling = Object.entries(checkBody(samplingSchema, body.plain)).filter(([, value]) => value !== null);
  const streamOptions = { include_usage: asked.includeUsage, continuous_usage_stats: asked.usageInEveryChunk };
  return asked.prompts.map((prompt) => ({
    request_id: `${idPrefix}-${randomUUID().replaceAll("-", "")}`,
    token_ids: Array.from(prompt),
    features: null,
    sampling_params: {
      ...Object.fromEntries(sampling),
      ...(asked.stop.length > 0 && { stop: asked.stop }),
      max_tokens: asked.maxTokens ?? dimensions.maxModelLen - prompt.length,
    },
    model: model ?? null,
    stream: asked.stream,
    stream_options: asked.stream ? streamOptions : null,
    cache_salt: asked.cacheSalt,
    priority: priority ?? 0,
    kv_transfer_params: null,
  }));
}

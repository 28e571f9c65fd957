import { z } from "zod";
import { chatPromptShape, renderChatPrompt } from "./chat-prompt.ts";
import { type EngineServices, resolveModel, servedNamesOf } from "./engine-services.ts";
import { encodePrompt } from "./generation-request.ts";
import { promptInputSchema, splitPromptInput, tokenIdsSchema } from "./prompt-input.ts";
import { readTokenizerConfig } from "./qwen-tokenizer.ts";
import { randomStream } from "./random-stream.ts";
import { checkBody, type RequestBody } from "./request-body.ts";

const modelName = z.string().nullish();

const tokenizeChatSchema = z.looseObject({
  ...chatPromptShape,
  // No member of vLLM's tokenize request: whatever it holds changes nothing.
  reasoning_effort: z
    .unknown()
    .transform(() => null)
    .optional(),
  model: modelName,
  return_token_strs: z.boolean().nullish(),
});

const tokenizePromptSchema = z.looseObject({
  model: modelName,
  prompt: z.string(),
  return_token_strs: z.boolean().nullish(),
});

const detokenizeSchema = z.looseObject({ model: modelName, tokens: tokenIdsSchema });

const embeddingsSchema = z.looseObject({
  model: modelName,
  input: promptInputSchema,
  encoding_format: z.enum(["float", "base64"]).nullish(),
  dimensions: z.int().min(1).max(4096).nullish(),
});

const tokenizerConfigSchema = z.looseObject({
  added_tokens_decoder: z.record(z.string(), z.object({ content: z.string() })),
});

const DEFAULT_DIMENSIONS = 16;

/** GET /v1/models: the served names, then the adapters. */
export function listModels({ options, dimensions, startedUnixS }: EngineServices): unknown {
  const card = (id: string, root: string, parent: string | null, maxModelLen: number | null): unknown => ({
    id,
    object: "model",
    created: startedUnixS,
    owned_by: "vllm",
    root,
    parent,
    max_model_len: maxModelLen,
    permission: [],
  });
  const names = servedNamesOf(options);
  return {
    object: "list",
    data: [
      ...names.map((name) => card(name, options.model, null, dimensions.maxModelLen)),
      ...options.adapters.map((name) => card(name, `/adapters/${name}`, names[0] ?? options.model, null)),
    ],
  };
}

/** GET /version: a version that speaks the configured event encoding. */
export function describeVersion({ options }: EngineServices): unknown {
  return { version: options.eventEncoding === "array" ? "0.23.0" : "0.28.0rc1" };
}

/** POST /tokenize: a prompt as it stands, or messages through the chat template. Throws ApiError. */
export function tokenize(body: RequestBody, services: EngineServices): unknown {
  const isChat = typeof body.plain === "object" && body.plain !== null && "messages" in body.plain;
  const fields = checkBody<z.infer<typeof tokenizeChatSchema> | z.infer<typeof tokenizePromptSchema>>(
    isChat ? tokenizeChatSchema : tokenizePromptSchema,
    body.plain,
  );
  resolveModel(services.options, fields.model ?? null);
  const text = "prompt" in fields && typeof fields.prompt === "string" ? fields.prompt : null;
  const chat = text === null ? renderChatPrompt(checkBody(tokenizeChatSchema, body.plain), body) : text;
  const tokens = Array.from(encodePrompt(chat, services.tokenizer));
  return {
    count: tokens.length,
    max_model_len: services.dimensions.maxModelLen,
    tokens,
    token_strs: fields.return_token_strs === true ? tokens.map((id) => services.tokenizer.tokenOf(id)) : null,
  };
}

/** POST /detokenize. Throws ApiError. */
export function detokenize(body: RequestBody, services: EngineServices): unknown {
  const { model, tokens } = checkBody(detokenizeSchema, body.plain);
  resolveModel(services.options, model ?? null);
  return { prompt: services.tokenizer.decode(tokens) };
}

/** GET /tokenizer_info: the tokenizer's configuration, chat template included; of added tokens vLLM gives the text alone. */
export function describeTokenizer(): unknown {
  const { added_tokens_decoder, ...config } = tokenizerConfigSchema.parse(JSON.parse(readTokenizerConfig()));
  const texts = Object.entries(added_tokens_decoder).map(([id, { content }]) => [id, content]);
  return { ...config, added_tokens_decoder: Object.fromEntries(texts) };
}

/** POST /v1/embeddings: unit vectors that depend on nothing but the input. Throws ApiError. */
export function embed(body: RequestBody, services: EngineServices): unknown {
  const fields = checkBody(embeddingsSchema, body.plain);
  const { name } = resolveModel(services.options, fields.model ?? null);
  const inputs = splitPromptInput(fields.input).map((input) =>
    typeof input === "string" ? encodePrompt(input, services.tokenizer) : Uint32Array.from(input),
  );
  const promptTokens = inputs.reduce((total, input) => total + input.length, 0);
  const data = inputs.map((input, index) => {
    const vector = unitVector(input, fields.dimensions ?? DEFAULT_DIMENSIONS);
    const embedding =
      fields.encoding_format === "base64" ? Buffer.from(vector.buffer).toString("base64") : Array.from(vector);
    return { index, object: "embedding", embedding };
  });
  const usage = {
    prompt_tokens: promptTokens,
    total_tokens: promptTokens,
    completion_tokens: 0,
    prompt_tokens_details: null,
  };
  return { id: "embd-0", object: "list", created: services.startedUnixS, model: name, data, usage };
}

function unitVector(tokens: Uint32Array, dimensions: number): Float32Array {
  const random = randomStream(tokens.reduce((seed, token) => Math.imul(seed ^ token, 0x01000193), 0));
  const vector = Float32Array.from({ length: dimensions }, () => random() - 0.5);
  const norm = Math.hypot(...vector);
  return vector.map((value) => value / norm);
}

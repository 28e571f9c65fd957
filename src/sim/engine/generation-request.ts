import { z } from "zod";
import { badRequest } from "./api-error.ts";
import { chatPromptShape, type ForcedTool, readForcedTool, renderChatPrompt } from "./chat-prompt.ts";
import { promptInputSchema, splitPromptInput } from "./prompt-input.ts";
import { type QwenTokenizer, UnencodableTextError } from "./qwen-tokenizer.ts";
import { checkBody, type RequestBody } from "./request-body.ts";

const samplingShape = {
  model: z.string().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z
    .looseObject({ include_usage: z.boolean().nullish(), continuous_usage_stats: z.boolean().nullish() })
    .nullish(),
  max_tokens: z.int().min(1).nullish(),
  n: z.int().min(1).max(128).nullish(),
  seed: z.int().nullish(),
  stop: z.union([z.string(), z.array(z.string())]).nullish(),
  cache_salt: z.string().min(1).nullish(),
  truncate_prompt_tokens: z.int().min(-1).nullish(),
  sim_answer: z.string().nullish(),
};

const chatSchema = z.looseObject({
  ...chatPromptShape,
  ...samplingShape,
  max_completion_tokens: z.int().min(1).nullish(),
  tool_choice: z.unknown().optional(),
});

const completionSchema = z.looseObject({
  ...samplingShape,
  prompt: promptInputSchema,
  echo: z.boolean().nullish(),
});

/** A generation request, checked and tokenized. */
export interface GenerationRequest {
  readonly model: string | null;
  /** One for a chat; one or more for completions. */
  readonly prompts: readonly Uint32Array[];
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly usageInEveryChunk: boolean;
  /** Most tokens of one choice; null where the request does not say. */
  readonly maxTokens: number | null;
  readonly choicesPerPrompt: number;
  readonly seed: number | null;
  readonly stop: readonly string[];
  readonly cacheSalt: string | null;
  /** The exact answer text a bench asks for. */
  readonly forcedAnswer: string | null;
  readonly forcedTool: ForcedTool | null;
  readonly echo: boolean;
}

/** Reads POST /v1/chat/completions. Throws ApiError (400). */
export function readChatRequest(body: RequestBody, tokenizer: QwenTokenizer): GenerationRequest {
  const fields = checkBody(chatSchema, body.plain);
  const prompt = encodePrompt(renderChatPrompt(fields, body), tokenizer);
  return {
    ...readSampling(fields, fields.max_completion_tokens),
    prompts: [truncatePrompt(prompt, fields.truncate_prompt_tokens)],
    forcedTool: readForcedTool(fields.tool_choice, fields.tools ?? []),
    echo: false,
  };
}

/** Reads POST /v1/completions: a text, several texts, or token ids. Throws ApiError (400). */
export function readCompletionRequest(body: RequestBody, tokenizer: QwenTokenizer): GenerationRequest {
  const fields = checkBody(completionSchema, body.plain);
  const prompts = splitPromptInput(fields.prompt).map((input) =>
    typeof input === "string" ? encodePrompt(input, tokenizer) : checkIds(input, tokenizer),
  );
  if (prompts.length === 0 || prompts.some((prompt) => prompt.length === 0)) {
    throw badRequest("Either prompt or prompt_embeds must be provided and non-empty.", "prompt");
  }
  return {
    ...readSampling(fields, null),
    prompts: prompts.map((prompt) => truncatePrompt(prompt, fields.truncate_prompt_tokens)),
    forcedTool: null,
    echo: fields.echo ?? false,
  };
}

/** Throws ApiError (400) where prompt and answer do not fit the context. */
export function checkLengths(asked: GenerationRequest, maxModelLen: number): void {
  for (const { length } of asked.prompts) {
    const limit = `This model's maximum context length is ${maxModelLen} tokens`;
    if (length >= maxModelLen) {
      throw badRequest(`${limit}. However, your request has ${length} input tokens.`, "input_tokens");
    }
    if (asked.maxTokens !== null && length + asked.maxTokens > maxModelLen) {
      const tooLarge = `'max_tokens' or 'max_completion_tokens' is too large: ${asked.maxTokens}`;
      throw badRequest(`${tooLarge}. ${limit} and your request has ${length} input tokens.`, "max_tokens");
    }
  }
}

/** Ids of a text. Throws ApiError (400) where the text has no UTF-8 form. */
export function encodePrompt(text: string, tokenizer: QwenTokenizer): Uint32Array {
  try {
    return tokenizer.encode(text);
  } catch (error) {
    if (error instanceof UnencodableTextError) throw badRequest(error.message, "prompt");
    throw error;
  }
}

function checkIds(ids: readonly number[], tokenizer: QwenTokenizer): Uint32Array {
  const bad = ids.find((id) => id >= tokenizer.vocabularySize);
  if (bad !== undefined) throw badRequest(`Token id ${bad} is out of vocabulary`, "prompt");
  return Uint32Array.from(ids);
}

function truncatePrompt(prompt: Uint32Array, keep: number | null | undefined): Uint32Array {
  return keep === null || keep === undefined || keep < 0 ? prompt : prompt.subarray(Math.max(0, prompt.length - keep));
}

type SamplingFields = z.infer<z.ZodObject<typeof samplingShape>>;

function readSampling(
  fields: SamplingFields,
  maxCompletionTokens: number | null | undefined,
): Omit<GenerationRequest, "prompts" | "forcedTool" | "echo"> {
  return {
    model: fields.model ?? null,
    stream: fields.stream ?? false,
    includeUsage: fields.stream_options?.include_usage ?? false,
    usageInEveryChunk: fields.stream_options?.continuous_usage_stats ?? false,
    maxTokens: maxCompletionTokens ?? fields.max_tokens ?? null,
    choicesPerPrompt: fields.n ?? 1,
    seed: fields.seed ?? null,
    stop: typeof fields.stop === "string" ? [fields.stop] : (fields.stop ?? []),
    cacheSalt: fields.cache_salt ?? null,
    forcedAnswer: fields.sim_answer ?? null,
  };
}

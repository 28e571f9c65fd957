import * as z from "zod";
import { parseJson } from "../prefix/python/json-parse.ts";
import { toPlain } from "../prefix/python/plain-json.ts";
import type { Dict, Value } from "../prefix/python/value.ts";
import { Refusal } from "./refusal.ts";

/** The endpoints that generate text from a prompt the edge can hash. */
export type GenerationEndpoint = "chat" | "completions";

/** What the edge reads of a generation request; everything else passes through in the original bytes. */
export type GenerationRequest = {
  readonly endpoint: GenerationEndpoint;
  /** The whole body, read once, as an engine's JSON reader sees it: the renderer takes the prompt from it. */
  readonly body: Dict;
  readonly model: string;
  readonly stream: boolean;
  /** The client asked for usage in the stream. */
  readonly includeUsage: boolean;
  /** The request has a `stream_options` of its own. */
  readonly hasStreamOptions: boolean;
  readonly choices: number;
  readonly cacheSalt: string | undefined;
  /** Length in tokens, where the prompt came as token ids. */
  readonly promptTokens: number | undefined;
  /** Longest answer the client allows, in tokens. */
  readonly mostOutputTokens: number | undefined;
};

/** Fields the edge acts on. The prompt itself is checked without a copy, below. */
const fieldsSchema = z.object({
  model: z.string().min(1),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  n: z.number().int().min(1).max(128).nullish(),
  cache_salt: z.string().nullish(),
});
const FIELDS = Object.keys(fieldsSchema.shape);

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/** Reads a body. Throws a Refusal that names the first wrong field. */
export function readGenerationRequest(endpoint: GenerationEndpoint, bytes: Uint8Array): GenerationRequest {
  const body = readObject(bytes);
  const parsed = fieldsSchema.safeParse(
    Object.fromEntries(FIELDS.flatMap((name) => (body.has(name) ? [[name, toPlain(body.get(name) ?? null)]] : []))),
  );
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw badField(issue?.path.join(".") ?? "", issue?.message ?? "not as expected");
  }
  const { model, stream, stream_options: streamOptions, n, cache_salt: cacheSalt } = parsed.data;
  if (endpoint === "chat") requireMessages(body);
  return {
    endpoint,
    body,
    model,
    stream: stream === true,
    includeUsage: streamOptions?.include_usage === true,
    hasStreamOptions: streamOptions !== undefined && streamOptions !== null,
    choices: n ?? 1,
    cacheSalt: cacheSalt ?? undefined,
    promptTokens: endpoint === "completions" ? promptTokens(body) : undefined,
    mostOutputTokens: mostOutputTokens(body),
  };
}

function readObject(bytes: Uint8Array): Dict {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new Refusal("not_json", "The body is not UTF-8 text.");
  }
  const parsed = parseJson(text);
  if (!parsed.ok) throw new Refusal("not_json", `The body is not valid JSON: ${parsed.message}`);
  if (!(parsed.value instanceof Map)) throw badField("", "The body must be a JSON object");
  return parsed.value;
}

function requireMessages(body: Dict): void {
  const messages = body.get("messages");
  if (!Array.isArray(messages)) throw badField("messages", "must be a list of messages");
  if (messages.length === 0) throw badField("messages", "must hold at least one message");
}

/** Checks a completion's prompt and counts its tokens where it came as token ids. */
function promptTokens(body: Dict): number | undefined {
  const prompt = body.get("prompt") ?? body.get("prompt_embeds") ?? null;
  if (typeof prompt === "string") return undefined;
  if (!Array.isArray(prompt) || prompt.length === 0) throw badField("prompt", "must be a text or a list");
  return prompt.every((item) => typeof item === "string") ? undefined : countIds(prompt);
}

/** An engine refuses what is no count; here it says nothing. */
function mostOutputTokens(body: Dict): number | undefined {
  const most = body.get("max_completion_tokens") ?? body.get("max_tokens");
  return typeof most === "number" && most > 0 ? most : undefined;
}

function countIds(items: readonly Value[]): number {
  return items.reduce<number>((count, item) => count + (Array.isArray(item) ? countIds(item) : 1), 0);
}

function badField(param: string, message: string): Refusal {
  return param === "" ? new Refusal("bad_field", message) : new Refusal("bad_field", `${param}: ${message}`, { param });
}

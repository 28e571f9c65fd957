import { type Dispatcher, fetch, type Response } from "undici";
import { z } from "zod";

/** Why an engine did not give an answer that can be used. */
export type EngineApiError = {
  readonly reason: "timeout" | "network" | "status" | "too_large" | "bad_body" | "closed";
  /** With reason `status`. */
  readonly status?: number;
  readonly message: string;
};

export type EngineAnswer<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: EngineApiError };

/** What `GET /v1/models` tells. */
export type ServedModels = {
  /** The first entry that is no adapter. */
  readonly baseModel: string;
  /** Every name the engine answers to, base model and aliases first. */
  readonly names: readonly string[];
  /** Those of them that are LoRA adapters. */
  readonly adapters: readonly string[];
  readonly maxModelLen: number | undefined;
  readonly ownedBy: string | undefined;
};

/** A metrics page: its text, and whether it is JSON (TensorRT-LLM's iteration statistics). */
export type MetricsPage = { readonly text: string; readonly isJson: boolean };

const MAX_BODY_BYTES = 16 * 1024 * 1024;
/** What a push may carry. */
const MAX_NAMES = 1024;

const modelsSchema = z.object({
  data: z.array(
    z.object({
      id: z.string().min(1).max(512),
      parent: z.string().nullish(),
      max_model_len: z.number().int().min(0).nullish(),
      owned_by: z.string().nullish(),
    }),
  ),
});

const versionSchema = z.object({ version: z.string().min(1).max(128) });

export type EngineApiOptions = {
  readonly url: string;
  readonly apiKey: string | undefined;
  readonly timeoutMs: number;
  readonly dispatcher: Dispatcher;
  /** Aborts every request under way. */
  readonly signal: AbortSignal;
};

/** The routes of one engine that change nothing in it. Nothing here rejects: failures are answers. */
export class EngineApi {
  readonly #options: EngineApiOptions;

  constructor(options: EngineApiOptions) {
    this.#options = options;
  }

  async models(): Promise<EngineAnswer<ServedModels>> {
    const answer = await this.#json("/v1/models", modelsSchema);
    if (!answer.ok) return answer;
    const entries = answer.value.data;
    const base = entries.find((entry) => !entry.parent);
    if (base === undefined) return failure("bad_body", "/v1/models lists no base model");
    const adapters = entries.filter((entry) => entry.parent);
    const aliases = entries.filter((entry) => !entry.parent);
    return {
      ok: true,
      value: {
        baseModel: base.id,
        names: [...new Set([...aliases, ...adapters].map((entry) => entry.id))].slice(0, MAX_NAMES),
        adapters: adapters.map((entry) => entry.id),
        maxModelLen: base.max_model_len ?? undefined,
        ownedBy: base.owned_by ?? undefined,
      },
    };
  }

  /** vLLM and TensorRT-LLM answer `/version`, SGLang `/server_info`. */
  async version(): Promise<string | undefined> {
    for (const path of ["/version", "/server_info"]) {
      const answer = await this.#json(path, versionSchema);
      if (answer.ok) return answer.value.version;
    }
    return undefined;
  }

  async metrics(path: string): Promise<EngineAnswer<MetricsPage>> {
    return this.#get(path, async (response) => ({
      text: await bodyText(response),
      isJson: response.headers.get("content-type")?.includes("json") ?? false,
    }));
  }

  health(): Promise<EngineAnswer<string>> {
    return this.#get("/health", bodyText);
  }

  /** Sends JSON text as it stands. */
  async post<Value>(path: string, json: string, schema: z.ZodType<Value>): Promise<EngineAnswer<Value>> {
    return readJson(path, await this.#send("POST", path, json, bodyText), schema);
  }

  async #json<Value>(path: string, schema: z.ZodType<Value>): Promise<EngineAnswer<Value>> {
    return readJson(path, await this.#get(path, bodyText), schema);
  }

  #get<Value>(path: string, read: (response: Response) => Promise<Value>): Promise<EngineAnswer<Value>> {
    return this.#send("GET", path, undefined, read);
  }

  async #send<Value>(
    method: "GET" | "POST",
    path: string,
    json: string | undefined,
    read: (response: Response) => Promise<Value>,
  ): Promise<EngineAnswer<Value>> {
    const { url, apiKey, timeoutMs, dispatcher, signal } = this.#options;
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch(`${url}${path}`, {
        method,
        ...(json !== undefined && { body: json }),
        dispatcher,
        signal: AbortSignal.any([timeout, signal]),
        redirect: "manual",
        headers: {
          ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
          ...(json !== undefined && { "content-type": "application/json" }),
        },
      });
      if (response.status !== 200) {
        await response.body?.cancel();
        const { status } = response;
        return { ok: false, error: { reason: "status", status, message: `${path} answered ${status}` } };
      }
      return { ok: true, value: await read(response) };
    } catch (error) {
      if (signal.aborted) return failure("closed", "the collector is closing");
      if (timeout.aborted) return failure("timeout", `${path} took longer than ${timeoutMs} ms`);
      if (error instanceof BodyTooLarge) return failure("too_large", `${path} is over ${MAX_BODY_BYTES} bytes`);
      return failure("network", `${path}: ${causeOf(error)}`);
    }
  }
}

function readJson<Value>(path: string, answer: EngineAnswer<string>, schema: z.ZodType<Value>): EngineAnswer<Value> {
  if (!answer.ok) return answer;
  let value: unknown;
  try {
    value = JSON.parse(answer.value);
  } catch (error) {
    return failure("bad_body", `${path}: ${String(error)}`);
  }
  const parsed = schema.safeParse(value);
  return parsed.success ? { ok: true, value: parsed.data } : failure("bad_body", `${path}: ${parsed.error.message}`);
}

class BodyTooLarge extends Error {}

async function bodyText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BODY_BYTES) throw new BodyTooLarge();
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** undici reports every connection failure as "fetch failed" with the reason inside. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message || error.cause.name : error.message;
}

function failure(reason: EngineApiError["reason"], message: string): { ok: false; error: EngineApiError } {
  return { ok: false, error: { reason, message } };
}

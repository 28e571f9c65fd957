import * as z from "zod";
import type { HttpAnswer, HttpFault, HttpRequests } from "./http-requests.ts";

/** Why an engine did not give an answer that can be used. */
export type EngineApiError = {
  readonly reason: HttpFault["reason"] | "status" | "bad_body";
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
  readonly http: HttpRequests;
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
    const answer = await this.#send("GET", path);
    if (!answer.ok) return answer;
    const { text, header } = answer.value;
    return { ok: true, value: { text, isJson: header("content-type")?.includes("json") ?? false } };
  }

  /** What it says is not looked at. */
  health(): Promise<EngineAnswer<unknown>> {
    return this.#send("GET", "/health");
  }

  /** Sends JSON text as it stands. */
  async post<Value>(path: string, json: string, schema: z.ZodType<Value>): Promise<EngineAnswer<Value>> {
    return readJson(path, await this.#send("POST", path, json), schema);
  }

  async #json<Value>(path: string, schema: z.ZodType<Value>): Promise<EngineAnswer<Value>> {
    return readJson(path, await this.#send("GET", path), schema);
  }

  async #send(method: "GET" | "POST", path: string, json?: string): Promise<EngineAnswer<EngineResponse>> {
    const { url, apiKey, timeoutMs, http, signal } = this.#options;
    const answer = await http.send({
      method,
      url: `${url}${path}`,
      headers: {
        ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
        ...(json !== undefined && { "content-type": "application/json" }),
      },
      body: json,
      timeoutMs,
      mostBytes: MAX_BODY_BYTES,
      signal,
    });
    if (!answer.ok) return failure(answer.fault.reason, `${path}: ${answer.fault.message}`);
    const { status } = answer;
    if (status === 200) return { ok: true, value: answer };
    return { ok: false, error: { reason: "status", status, message: `${path} answered ${status}` } };
  }
}

type EngineResponse = Extract<HttpAnswer, { ok: true }>;

function readJson<Value>(
  path: string,
  answer: EngineAnswer<EngineResponse>,
  schema: z.ZodType<Value>,
): EngineAnswer<Value> {
  if (!answer.ok) return answer;
  let value: unknown;
  try {
    value = JSON.parse(answer.value.text);
  } catch (error) {
    return failure("bad_body", `${path}: ${String(error)}`);
  }
  const parsed = schema.safeParse(value);
  return parsed.success ? { ok: true, value: parsed.data } : failure("bad_body", `${path}: ${parsed.error.message}`);
}

function failure(reason: EngineApiError["reason"], message: string): { ok: false; error: EngineApiError } {
  return { ok: false, error: { reason, message } };
}

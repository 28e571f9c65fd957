import { resolve } from "node:path";
import { parse, YAMLParseError } from "yaml";
import * as z from "zod";

/** One engine to follow, checked and complete. */
export type Endpoint = {
  /** `namespace/name/port`: the pod's local name. */
  readonly podName: string;
  /** Where the engine's API listens, without a trailing slash. */
  readonly url: string;
  /** Undefined: detect. */
  readonly engine: "vllm" | "sglang" | "trtllm" | undefined;
  /** Undefined: the pod publishes no KV events. `bind:` before it where the publisher connects out. */
  readonly kvEvents: string | undefined;
  readonly kvReplay: string | undefined;
  readonly topic: string;
  /** The engine's own `--api-key`. */
  readonly apiKey: string | undefined;
};

/** A model whose KV events become claims. */
export type EndpointsModel = {
  /** As in the edge's settings; engines serve it under this name, among others. */
  readonly name: string;
  /** Path of its tokenizer.json. */
  readonly tokenizerFile: string;
  /** As in the edge's settings. */
  readonly segmentBytes: number;
};

/** All that an endpoints file says. */
export type Endpoints = { readonly endpoints: readonly Endpoint[]; readonly models: readonly EndpointsModel[] };

export type EndpointsResult =
  | ({ readonly ok: true } & Endpoints)
  /** One line per fault, each naming its field. */
  | { readonly ok: false; readonly faults: readonly string[] };

const zmqAddress = /^(?:tcp|ipc):\/\/\S+$/;

const endpointSchema = z.strictObject({
  name: z.string().regex(/^[^\s/]+\/[^\s/]+$/, "must be namespace/name"),
  url: z.url({ protocol: /^https?$/, error: "must be an http or https URL" }),
  engine: z.enum(["vllm", "sglang", "trtllm"]).optional(),
  kvEvents: z
    .string()
    .regex(/^(?:bind:)?(?:tcp|ipc):\/\/\S+$/, "must be tcp://host:port, or bind:tcp://host:port")
    .optional(),
  kvReplay: z.string().regex(zmqAddress, "must be tcp://host:port").optional(),
  topic: z.string().optional(),
  apiKeyEnv: z.string().min(1).optional(),
});

const modelSchema = z.strictObject({
  name: z.string().min(1).max(256),
  tokenizerJson: z.string().min(1),
  segmentBytes: z.number().int().min(32).max(4096).default(256),
});

const fileSchema = z.strictObject({
  endpoints: z.array(endpointSchema),
  models: z.array(modelSchema).default([]),
});

/**
 * Reads the text of an endpoints file. `env` holds the variables that `apiKeyEnv` fields name, `folder` is where relative
 * paths begin. Never throws.
 */
export function parseEndpoints(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
  folder: string,
): EndpointsResult {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    return failure([error instanceof YAMLParseError ? error.message : String(error)]);
  }
  const parsed = fileSchema.safeParse(value);
  if (!parsed.success) {
    return failure(parsed.error.issues.map((issue) => `${fieldName(issue.path)}: ${issue.message}`));
  }
  const faults: string[] = [];
  const endpoints: Endpoint[] = [];
  const seen = new Set<string>();
  for (const [index, entry] of parsed.data.endpoints.entries()) {
    const url = new URL(entry.url);
    const podName = `${entry.name}/${url.port || (url.protocol === "https:" ? "443" : "80")}`;
    const apiKey = entry.apiKeyEnv === undefined ? undefined : env[entry.apiKeyEnv];
    if (seen.has(podName)) faults.push(`endpoints[${index}].name: ${podName} is listed twice`);
    if (entry.apiKeyEnv !== undefined && !apiKey) {
      faults.push(`endpoints[${index}].apiKeyEnv: environment variable ${entry.apiKeyEnv} is not set`);
    }
    if (entry.kvReplay !== undefined && entry.kvEvents === undefined) {
      faults.push(`endpoints[${index}].kvReplay: needs kvEvents`);
    }
    seen.add(podName);
    endpoints.push({
      podName,
      url: url.href.replace(/\/+$/, ""),
      engine: entry.engine,
      kvEvents: entry.kvEvents,
      kvReplay: entry.kvReplay,
      topic: entry.topic ?? "",
      apiKey,
    });
  }
  const models = parsed.data.models.map(({ name, tokenizerJson, segmentBytes }) => ({
    name,
    tokenizerFile: resolve(folder, tokenizerJson),
    segmentBytes,
  }));
  for (const [index, { name }] of models.entries()) {
    if (models.findIndex((model) => model.name === name) < index) {
      faults.push(`models[${index}].name: ${name} is listed twice`);
    }
  }
  return faults.length > 0 ? failure(faults) : { ok: true, endpoints, models };
}

function failure(faults: readonly string[]): EndpointsResult {
  return { ok: false, faults };
}

function fieldName(path: readonly PropertyKey[]): string {
  const name = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("");
  return name.replace(/^\./, "") || "file";
}

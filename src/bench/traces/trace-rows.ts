import { z } from "zod";

const tokens = z.int().min(0);
const seconds = z.number().min(0);

const messageSchema = z.looseObject({
  role: z.string(),
  content: z.string().nullable(),
  name: z.string().optional(),
  tool_calls: z.array(z.object({ name: z.string(), arguments: z.string() })).optional(),
});
/** A message of a recorded dialogue. */
export type TraceMessage = z.infer<typeof messageSchema>;

const toolchatSchema = z.looseObject({ session: z.string(), messages: z.array(messageSchema).min(1) });

const agentTextSchema = z.looseObject({
  session: z.string(),
  kind: z.string(),
  seq: z.int(),
  t: seconds,
  keep: z.int().min(0),
  add: z.string(),
  output: z.string(),
});

const mooncakeSchema = z.looseObject({
  /** ms from the trace's start. */
  timestamp: z.number().min(0),
  input_length: tokens,
  output_length: tokens,
  hash_ids: z.array(z.int()).min(1),
});

const codingAgentSchema = z.looseObject({
  session: z.string(),
  seq: z.int(),
  /** 0: main thread; above: a sub-agent, which runs beside it. */
  agent: z.int().min(0),
  t: seconds,
  input_length: tokens,
  output_length: tokens,
  hash_runs: z.array(z.tuple([z.int(), z.int().min(1)])),
  /** Pause of the client before the request, in s. */
  think_time: z.number().min(0).optional(),
});

const lengthsSchema = z.looseObject({ timestamp: z.number().min(0), input_length: tokens, output_length: tokens });

const lengthQuantilesSchema = z.union([z.null(), z.tuple([z.number(), z.number(), z.number()])]);

const clientRatesSchema = z.looseObject({
  client: z.int(),
  window_s: z.number().positive(),
  rate: z.array(z.number().min(0)),
  cv: z.array(z.number().min(0)),
  length_window_s: z.number().positive(),
  /** `[mean, p50, p95]` in tokens. */
  input: z.array(lengthQuantilesSchema),
  output: z.array(lengthQuantilesSchema),
});

/** The formats, the more particular before the more general: `mooncake` rows also fit `lengths`. */
const ROW_SCHEMAS = {
  toolchat: toolchatSchema,
  agentText: agentTextSchema,
  codingAgents: codingAgentSchema,
  mooncake: mooncakeSchema,
  lengths: lengthsSchema,
  clientRates: clientRatesSchema,
} as const;

/** The kinds of trace rows. `lengths`: arrival and lengths only; `clientRates`: statistics per client, no requests. */
export type TraceFormat = keyof typeof ROW_SCHEMAS;

/** A row of a format. */
export type TraceRow<Format extends TraceFormat> = z.infer<(typeof ROW_SCHEMAS)[Format]>;

/** The format whose fields a row has, or nothing. */
export function formatOf(row: unknown): TraceFormat | undefined {
  const formats = Object.keys(ROW_SCHEMAS) as TraceFormat[];
  return formats.find((format) => ROW_SCHEMAS[format].safeParse(row).success);
}

/** A row checked against its format; the problem names the field otherwise. */
export function checkRow<Format extends TraceFormat>(
  format: Format,
  row: unknown,
): { readonly ok: true; readonly row: TraceRow<Format> } | { readonly ok: false; readonly problem: string } {
  const parsed = ROW_SCHEMAS[format].safeParse(row);
  if (parsed.success) return { ok: true, row: parsed.data as TraceRow<Format> };
  const issue = parsed.error.issues[0];
  return { ok: false, problem: `${issue?.path.join(".") || "row"}: ${issue?.message ?? "not as expected"}` };
}

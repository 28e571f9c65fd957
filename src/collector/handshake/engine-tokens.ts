import * as z from "zod";
import type { EngineAnswer, EngineApi } from "../engine-api.ts";
import type { Probe } from "./probes.ts";

/** What an engine makes of a probe. */
export type EngineTokens =
  | { readonly kind: "ids"; readonly ids: readonly number[] }
  /** The engine refuses such a request: none of the kind is ever in its cache. */
  | { readonly kind: "refused" }
  /** The engine has no route that tells. */
  | { readonly kind: "untold" }
  | { readonly kind: "failed"; readonly message: string };

const ids = z.array(z.number().int().min(0));
const tokenizedSchema = z.object({ tokens: ids });
/** vLLM answers the request for its token-level route; before 2026 a pair of conversation and prompts. */
const renderedSchema = z.union([
  z.object({ token_ids: ids }).transform(({ token_ids }) => token_ids),
  z
    .tuple([z.unknown(), z.array(z.object({ prompt_token_ids: ids })).min(1)])
    .transform(([, prompts]) => prompts[0]?.prompt_token_ids ?? []),
]);

const ABSENT: ReadonlySet<number> = new Set([404, 405, 501]);

/**
 * Asks an engine for a probe's token ids: by the route that prepares requests exactly as for generation where there is
 * one, else by `/tokenize`.
 */
export async function engineTokens(api: EngineApi, probe: Probe, model: string): Promise<EngineTokens> {
  const body = `{"model":${JSON.stringify(model)},${probe.fields.slice(1)}`;
  if (probe.endpoint === "chat") {
    const rendered = answered(await api.post("/v1/chat/completions/render", body, renderedSchema));
    if (rendered.kind !== "untold") return rendered;
  }
  const tokenized = await api.post("/tokenize", body, tokenizedSchema);
  return answered(tokenized.ok ? { ok: true, value: tokenized.value.tokens } : tokenized);
}

function answered(answer: EngineAnswer<readonly number[]>): EngineTokens {
  if (answer.ok) return { kind: "ids", ids: answer.value };
  const { reason, status = 0, message } = answer.error;
  if (reason === "bad_body" || ABSENT.has(status)) return { kind: "untold" };
  const isRefusal = reason === "status" && status >= 400 && status < 500 && status !== 401 && status !== 403;
  return isRefusal && status !== 408 && status !== 429 ? { kind: "refused" } : { kind: "failed", message };
}

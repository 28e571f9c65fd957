import * as z from "zod";
import type { Settings } from "../settings/settings.ts";
import { readQuery } from "./admin-query.ts";
import type { Env } from "./env.ts";
import { findModel } from "./model-resolution.ts";
import { routerStub } from "./placement.ts";
import { Refusal } from "./refusal.ts";

/** The query of `GET /admin/v1/decisions`. */
const querySchema = z.object({
  model: z.string().min(1),
  limit: z.coerce.number().int().min(1).default(1_000),
  /** Milliseconds since 1970, or a date and time. */
  since: z
    .union([
      z.string().regex(/^\d+$/).transform(Number),
      z.iso.datetime({ offset: true }).transform((text) => Date.parse(text)),
    ])
    .optional(),
});

/** The decisions that a model's router has recorded last, as JSON Lines, oldest first. */
export async function listDecisions(request: Request, env: Env, settings: Settings): Promise<Response> {
  const { model: name, limit, since } = readQuery(request, querySchema);
  const model = findModel(name, settings);
  if (model === undefined) throw new Refusal("model_not_found", `The model \`${name}\` is not in the settings.`);
  const { lines } = await routerStub(env, model.base, model.settings.region).decisions({ limit, sinceMs: since });
  return new Response(lines, { headers: { "content-type": "application/jsonl; charset=utf-8" } });
}

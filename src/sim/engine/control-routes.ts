import type { IncomingMessage } from "node:http";
import { z } from "zod";
import { faultOrderSchema } from "./faults.ts";
import { encodePrompt } from "./generation-request.ts";
import { readText, sendJson } from "./http-reply.ts";
import type { RouteTable } from "./http-server.ts";
import { tokenIdsSchema } from "./prompt-input.ts";
import { checkBody, readRequestBody } from "./request-body.ts";
import type { SimulatedEngine } from "./simulated-engine.ts";

const containsSchema = z.object({
  tokens: tokenIdsSchema.optional(),
  /** Instead of tokens: a text, encoded as it stands. */
  text: z.string().optional(),
  adapter: z.string().nullish(),
  cache_salt: z.string().nullish(),
});

/** The cache group to list: 0, full attention, or 1, the window group of a hybrid model. */
const blocksQuerySchema = z.object({ group: z.coerce.number().int().min(0).max(1).default(0) });

/**
 * The routes under /sim: the engine's own truth, and its faults. POST /sim/contains answers a CacheContent, in which
 * `cachedTokens` is about full attention alone and `hitTokens` about what a request would be spared.
 */
export function controlRoutes(engine: () => SimulatedEngine): RouteTable {
  return {
    "GET /sim/state": (request, response) => {
      sendJson(response, 200, {
        ...engine().state(),
        ...(queryOf(request).has("requests") ? { requests: engine().requests() } : {}),
      });
    },
    "POST /sim/reset-stats": (_, response) => {
      engine().resetStats();
      sendJson(response, 200, engine().state());
    },
    "POST /sim/contains": async (request, response, services) => {
      const fields = checkBody(containsSchema, readRequestBody(await readText(request)).plain);
      const tokens = fields.tokens ?? encodePrompt(fields.text ?? "", services.tokenizer);
      sendJson(response, 200, engine().contains(tokens, fields.adapter ?? null, fields.cache_salt ?? null));
    },
    "GET /sim/blocks": (request, response) => {
      const query = checkBody(blocksQuerySchema, Object.fromEntries(queryOf(request)));
      const blocks = Array.from(engine().cachedHashes(query.group), ([hash, copies]) => [String(hash), copies]);
      sendJson(response, 200, { blocks });
    },
    "POST /sim/fault": async (request, response) => {
      await engine().setFault(checkBody(faultOrderSchema, readRequestBody(await readText(request)).plain));
      sendJson(response, 200, engine().state());
    },
  };
}

function queryOf(request: IncomingMessage): URLSearchParams {
  return new URL(request.url ?? "/", "http://engine").searchParams;
}

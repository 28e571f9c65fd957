import * as z from "zod";

const term = z.number().nullable();

/** What `POST /admin/v1/explain` answers. Fields that a newer edge adds are ignored. */
export const explainReplySchema = z.object({
  model: z.object({ asked: z.string(), base: z.string(), adapter: z.string().nullable() }),
  policy: z.object({ name: z.string(), parameters: z.record(z.string(), z.unknown()) }),
  prompt: z.object({
    endpoint: z.string(),
    renderer: z.string(),
    bytes: z.number(),
    tokens: z.number(),
    segments: z.number(),
    segmentBytes: z.number(),
    /** Why the text is not what the engine tokenizes. */
    approximate: z.string().nullable(),
  }),
  admission: z.object({
    outcome: z.enum(["placed", "held", "refused", "held_without_pods", "no_endpoints"]),
    waitMs: z.number().optional(),
    ahead: z.number().optional(),
    refused: z.string().optional(),
  }),
  chosen: z.string().nullable(),
  columns: z.array(z.object({ name: z.string(), unit: z.string().nullable() })),
  /** In the order in which the policy would take them. */
  candidates: z.array(
    z.object({
      id: z.string(),
      terms: z.array(term),
      matchedTokens: z.number(),
      inFlight: z.number(),
      foreign: z.number(),
      index: z.object({ mode: z.string(), reason: z.string().optional() }),
      doubted: z.boolean(),
    }),
  ),
  leftOut: z.array(z.object({ id: z.string(), reasons: z.array(z.string()) })),
});
export type ExplainReply = z.infer<typeof explainReplySchema>;
export type ExplainedCandidate = ExplainReply["candidates"][number];

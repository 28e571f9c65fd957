import * as z from "zod";

/** The defaults of what is left out are the router's (src/routing/routing-rules.ts); docs/explain.md lists them. */

/** Which of a model's decisions its router records, for `warmpath decisions` and `warmpath replay`. */
export const decisionsSchema = z.strictObject({
  /** Share of all; 0: none. */
  share: z.number().min(0).max(1).optional(),
  /** The latest so many are kept, */
  keep: z.number().int().min(1).max(100_000).optional(),
  /** as far as they fit into this much of the router's memory. */
  mostBytes: z.number().int().min(65_536).max(16_777_216).optional(),
  /** With the hashes of the prompts' segments. */
  hashes: z.boolean().optional(),
});

import * as z from "zod";

/** What the model's tokenizer does to a text before it cuts it (see src/prefix/text-form.ts). */
const textFormSchema = z.strictObject({
  normalization: z.enum(["none", "NFC"]).default("none"),
  addedTokens: z
    .array(
      z.strictObject({
        content: z.string().min(1),
        stripsLeft: z.boolean().default(false),
        stripsRight: z.boolean().default(false),
        singleWord: z.boolean().default(false),
      }),
    )
    .default([]),
  blankMark: z.boolean().default(false),
  /** Text of the tokens put before a completion's prompt: BOS, mostly. */
  prefix: z.string().default(""),
});

/** How a model's prompts become the text that is hashed. */
export const promptSettingsSchema = z.discriminatedUnion("renderer", [
  z.strictObject({ renderer: z.literal("none") }),
  z.strictObject({ renderer: z.literal("harmony"), textForm: textFormSchema.optional() }),
  z.strictObject({
    renderer: z.literal("jinja"),
    /** The model's chat template, as in its tokenizer_config.json. */
    template: z.string().min(1),
    specialTokens: z.record(z.string(), z.string()).default({}),
    /** How the engine prepares messages before the template: vLLM's main line, or 0.10 and 0.11. */
    rules: z.enum(["main", "v0.10.0"]).default("main"),
    textForm: textFormSchema.optional(),
  }),
]);
export type PromptSettings = z.infer<typeof promptSettingsSchema>;

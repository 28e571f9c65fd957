import { QWEN_TOKENIZER_FILE, qwenPromptSettings } from "../../src/bench/stack/qwen-model.ts";
import { MODEL, type StackOptions } from "./live-stack.ts";

/** A stack whose model the edge renders as its engines do: KV events become exact claims. */
export async function exactModel(): Promise<Pick<StackOptions, "tokenizerJson" | "settings">> {
  const prompt = await qwenPromptSettings();
  return { tokenizerJson: QWEN_TOKENIZER_FILE, settings: { models: [{ name: MODEL, prompt }] } };
}

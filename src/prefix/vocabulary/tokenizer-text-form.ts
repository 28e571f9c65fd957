import * as z from "zod";
import type { TextForm } from "../text-form.ts";
import { flatComponents, type TokenizerComponent, type TokenizerFile } from "./tokenizer-file.ts";

/** A text form, or why there is none. */
export type TextFormResult =
  | { readonly ok: true; readonly form: TextForm }
  /** The tokenizer changes texts in a way that is not known here: its model is approximate. */
  | { readonly ok: false; readonly message: string };

/** What a tokenizer.json says about the text its ids spell. */
export function textFormOf(file: TokenizerFile): TextFormResult {
  const unknown = unknownStep(file);
  if (unknown !== undefined) return { ok: false, message: `the tokenizer has a ${unknown} step` };
  const normalizers = flatComponents(file.normalizer);
  return {
    ok: true,
    form: {
      normalization: normalizers.some(({ type }) => type === "NFC") ? "NFC" : "none",
      blankMark: normalizers.some(marksBlanks) || flatComponents(file.pre_tokenizer).some(isMetaspace),
      addedTokens: file.added_tokens.map(({ content, lstrip, rstrip, single_word }) => ({
        content,
        stripsLeft: lstrip,
        stripsRight: rstrip,
        singleWord: single_word,
      })),
      prefix: specialPrefix(file.post_processor),
    },
  };
}

/** The first step that changes a text's bytes in a way a TextForm cannot say. */
function unknownStep({ normalizer, pre_tokenizer }: TokenizerFile): string | undefined {
  const step =
    flatComponents(normalizer).find((part) => part.type !== "NFC" && !marksBlanks(part)) ??
    flatComponents(pre_tokenizer).find(addsBlank);
  return step?.type;
}

const blankReplacement = z.looseObject({
  type: z.literal("Replace"),
  pattern: z.looseObject({ String: z.literal(" ") }),
  content: z.literal("\u2581"),
});

function marksBlanks(part: TokenizerComponent): boolean {
  return blankReplacement.safeParse(part).success;
}

function isMetaspace({ type }: TokenizerComponent): boolean {
  return type === "Metaspace";
}

/** It puts a blank before a text, or before each piece between added tokens. */
function addsBlank(part: TokenizerComponent): boolean {
  const { prepend_scheme: scheme, add_prefix_space: prefixSpace } = part;
  if (isMetaspace(part)) return scheme === undefined ? prefixSpace !== false : scheme !== "never";
  return part.type === "ByteLevel" && prefixSpace === true;
}

const templateProcessing = z.looseObject({
  /** The text, `Sequence`, among special tokens. */
  single: z.array(z.looseObject({ SpecialToken: z.looseObject({ id: z.string() }).optional() })),
  special_tokens: z.record(z.string(), z.looseObject({ tokens: z.array(z.string()) })),
});

/** The special tokens that come before a single text. */
function specialPrefix(processor: TokenizerFile["post_processor"]): string {
  for (const part of flatComponents(processor)) {
    const template = templateProcessing.safeParse(part);
    if (part.type !== "TemplateProcessing" || !template.success) continue;
    const { single, special_tokens: specialTokens } = template.data;
    let prefix = "";
    for (const { SpecialToken: token } of single) {
      if (token === undefined) break;
      prefix += specialTokens[token.id]?.tokens.join("") ?? "";
    }
    return prefix;
  }
  return "";
}

import * as z from "zod";
import {
  flatComponents,
  type TokenizerComponent,
  type TokenizerFile,
} from "../../../prefix/vocabulary/tokenizer-file.ts";
import { type PairTable, pairTable } from "./pair-table.ts";

/** All that encoding text with a byte-level BPE tokenizer takes, as plain values. */
export type BytePairRules = {
  readonly normalization: "NFC" | "none";
  /** Sources of the expressions that cut text into pre-tokens, each cutting what the one before has left. */
  readonly patterns: readonly string[];
  /** Token of each single byte. */
  readonly byteIds: Uint32Array<ArrayBuffer>;
  readonly pairs: PairTable;
  /** A pre-token that is a token is that token, whatever its merges say. */
  readonly wholeTokensFirst: boolean;
  readonly addedTokens: readonly { readonly id: number; readonly text: string }[];
};

export type BytePairRulesResult =
  | { readonly ok: true; readonly rules: BytePairRules }
  /** A tokenizer of another kind: its text cannot be encoded here. */
  | { readonly ok: false; readonly message: string };

const modelSchema = z.object({
  type: z.literal("BPE"),
  // Checked entry by entry below, where each is looked up anyway.
  vocab: z.custom<Record<string, number>>((value) => typeof value === "object" && value !== null),
  merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
  dropout: z.null().optional(),
  continuing_subword_prefix: z.literal("").nullish(),
  end_of_word_suffix: z.literal("").nullish(),
  ignore_merges: z.boolean().default(false),
});

const splitSchema = z.object({
  type: z.literal("Split"),
  pattern: z.object({ Regex: z.string() }),
  behavior: z.literal("Isolated"),
  invert: z.literal(false).default(false),
});

const byteLevelSchema = z.object({
  type: z.literal("ByteLevel"),
  add_prefix_space: z.literal(false),
  use_regex: z.boolean().default(true),
});

/** The pattern of GPT-2, which ByteLevel applies unless told otherwise. */
const GPT2_PATTERN = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** The rules in a tokenizer.json. */
export function bytePairRulesOf(file: TokenizerFile): BytePairRulesResult {
  const model = modelSchema.safeParse(file.model);
  const isByteLevel = flatComponents(file.decoder).some(({ type }) => type === "ByteLevel");
  if (!model.success || !isByteLevel) return refusal("it is not a byte-level BPE");
  const normalizers = flatComponents(file.normalizer);
  if (normalizers.some(({ type }) => type !== "NFC")) return refusal("its normalizer is not known");
  const patterns: string[] = [];
  for (const part of flatComponents(file.pre_tokenizer)) {
    const cut = patternsOf(part);
    if (cut === undefined) return refusal(`its pre-tokenizer ${part.type} is not known`);
    patterns.push(...cut);
  }
  if (!patterns.every(isExpression)) return refusal("its pre-token pattern is no expression here");
  const { vocab, merges, ignore_merges: wholeTokensFirst } = model.data;
  const byteIds = byteTokens(vocab);
  const pairs = joinedPairs(vocab, merges);
  if (byteIds === undefined || pairs === undefined) return refusal("its merges name pieces that are no tokens");
  const addedTokens = file.added_tokens.map(({ id, content }) => ({ id, text: content }));
  const normalization = normalizers.length > 0 ? "NFC" : "none";
  return {
    ok: true,
    rules: { normalization, patterns, byteIds, pairs: pairTable(pairs), wholeTokensFirst, addedTokens },
  };
}

function patternsOf(part: TokenizerComponent): string[] | undefined {
  const split = splitSchema.safeParse(part);
  if (split.success) return [unicodeBlanks(split.data.pattern.Regex)];
  const byteLevel = byteLevelSchema.safeParse(part);
  if (byteLevel.success) return byteLevel.data.use_regex ? [unicodeBlanks(GPT2_PATTERN)] : [];
  return undefined;
}

// Unicode White_Space, which the tokenizers library means by \s. JavaScript's has U+FEFF and lacks U+0085.
const BLANKS = "\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

/** `\s` and `\S` as in the tokenizers library; no tokenizer in use has them in a class other than a negated one's start. */
function unicodeBlanks(pattern: string): string {
  return pattern.replaceAll("[^\\s", `[^${BLANKS}`).replaceAll("\\S", `[^${BLANKS}]`).replaceAll("\\s", `[${BLANKS}]`);
}

function isExpression(source: string): boolean {
  try {
    return new RegExp(source, "gu").source !== "";
  } catch {
    // What the tokenizers library's expressions can do beyond JavaScript's is not told apart from a broken one.
    return false;
  }
}

function byteTokens(vocab: Readonly<Record<string, number>>): Uint32Array<ArrayBuffer> | undefined {
  const ids = BYTE_CHARACTERS.map((character) => vocab[character]);
  return ids.includes(undefined) ? undefined : Uint32Array.from(ids as number[]);
}

function joinedPairs(vocab: Readonly<Record<string, number>>, merges: readonly (string | readonly [string, string])[]) {
  const pairs: { left: number; right: number; joined: number }[] = [];
  for (const merge of merges) {
    const [leftText = "", rightText = ""] = typeof merge === "string" ? merge.split(" ") : merge;
    const [left, right, joined] = [vocab[leftText], vocab[rightText], vocab[leftText + rightText]];
    if (left === undefined || right === undefined || joined === undefined) return undefined;
    pairs.push({ left, right, joined });
  }
  return pairs;
}

/** GPT-2's alphabet: printable bytes are themselves, the 68 others in ascending order the characters from U+0100 on. */
const BYTE_CHARACTERS: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCharCode(printable ? byte : next++);
  });
})();

function refusal(message: string): BytePairRulesResult {
  return { ok: false, message };
}

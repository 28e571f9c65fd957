/** A token with a text of its own, as tokenizers split it off before anything else. */
export type AddedToken = {
  readonly content: string;
  /** Blanks on this side belong to the token and are lost. */
  readonly stripsLeft: boolean;
  readonly stripsRight: boolean;
  /** Matches only where no word goes on at its ends. */
  readonly singleWord: boolean;
};

/**
 * What a tokenizer does to a text before it cuts it, so far as it shows in the bytes of the token ids. The edge hashes
 * the text in this form, the collector the bytes of ids: both are then the same. Made by `textFormOf` from a model's
 * tokenizer.json, small enough for a setting.
 */
export type TextForm = {
  readonly normalization: "none" | "NFC";
  readonly addedTokens: readonly AddedToken[];
  /** U+2581 stands for the blank in the vocabulary, and one in the text comes back as a blank. */
  readonly blankMark: boolean;
  /** Text of the tokens that the tokenizer puts before a prompt when asked for special tokens: BOS, mostly. */
  readonly prefix: string;
};

/** A form that changes nothing: byte-level tokenizers without normalizer. */
export const plainTextForm: TextForm = { normalization: "none", addedTokens: [], blankMark: false, prefix: "" };

/** What a request says about its tokenization. */
export type TextFormOptions = {
  /**
   * The tokenizer adds its special tokens. vLLM's default is true for completions and false for chats, whose
   * templates write them; a request's `add_special_tokens` overrides it.
   */
  readonly addSpecialTokens: boolean;
};

/** Brings a prompt's text into the form its token ids spell. */
export function compileTextForm(form: TextForm): (text: string, options: TextFormOptions) => string {
  const shape = compileShape(form);
  return (text, { addSpecialTokens }) => {
    const shaped = shape(text);
    const result = form.blankMark ? shaped.replaceAll("\u2581", " ") : shaped;
    return addSpecialTokens ? form.prefix + result : result;
  };
}

/** Drops the blanks that added tokens strip and normalizes what is between the tokens. */
function compileShape({ normalization, addedTokens }: TextForm): (text: string) => string {
  const convert = normalization === "NFC" ? toNfc : (text: string) => text;
  if (addedTokens.length === 0) return convert;
  const split = addedTokenSplitter(addedTokens);
  if (addedTokens.some(({ stripsLeft, stripsRight }) => stripsLeft || stripsRight))
    return (text) => split(text, convert);
  if (normalization === "none") return convert;
  const touched = new RegExp(`(?:${tokenPattern(addedTokens)})[^\0-\u02ff]`);
  const stable = addedTokens.every(({ content }) => content.normalize("NFC") === content);
  return (text) => {
    const whole = toNfc(text);
    // A token's text changes with the whole only where its last character composes with the one behind it.
    if (whole === text || (stable && !touched.test(text))) return whole;
    return split(text, toNfc);
  };
}

/** NFC. Below U+0300 every text is. */
function toNfc(text: string): string {
  return /[^\0-\u02ff]/.test(text) ? text.normalize("NFC") : text;
}

/** White_Space of Unicode, which is what the tokenizers library strips. */
const blank = "[\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const blanksAtStart = new RegExp(`^${blank}+`);
const blanksAtEnd = new RegExp(`${blank}+$`);
const wordCharacter = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;

/**
 * Splits a text at added tokens, longest first, as the tokenizers library does (AddedVocabulary), converts what is
 * between them and drops the blanks that tokens strip.
 */
function addedTokenSplitter(
  tokens: readonly AddedToken[],
): (text: string, convert: (between: string) => string) => string {
  const byContent = new Map(tokens.map((token) => [token.content, token]));
  const pattern = new RegExp(tokenPattern(tokens), "g");
  return (text, convert) => {
    let result = "";
    let start = 0;
    for (const { 0: content, index } of text.matchAll(pattern)) {
      const token = byContent.get(content);
      const end = index + content.length;
      if (index < start || token === undefined || (token.singleWord && insideWord(text, index, end))) continue;
      const between = text.slice(start, index);
      result += convert(token.stripsLeft ? between.replace(blanksAtEnd, "") : between) + content;
      start = end + (token.stripsRight ? (blanksAtStart.exec(text.slice(end))?.[0].length ?? 0) : 0);
    }
    return result + convert(text.slice(start));
  };
}

/** Matches any of the tokens, the longest first. */
function tokenPattern(tokens: readonly AddedToken[]): string {
  const contents = tokens.map(({ content }) => content).filter((content) => content !== "");
  return contents
    .sort((left, right) => right.length - left.length)
    .map(literally)
    .join("|");
}

/** A regular expression that matches just this text. */
function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

function insideWord(text: string, start: number, end: number): boolean {
  const before = Array.from(text.slice(Math.max(0, start - 2), start)).at(-1) ?? "";
  const after = Array.from(text.slice(end, end + 2))[0] ?? "";
  return wordCharacter.test(before) || wordCharacter.test(after);
}

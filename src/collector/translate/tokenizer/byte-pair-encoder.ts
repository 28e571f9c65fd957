import type { TokenBytes } from "../token-bytes.ts";
import type { BytePairRules } from "./byte-pair-rules.ts";
import { mergeRank, NO_MERGE } from "./pair-table.ts";

/** Pre-tokens whose tokens are remembered; words repeat. */
const MOST_REMEMBERED = 16_384;
/** Joining takes time that grows with the square of a pre-token's length: longer ones are not encoded. */
const MOST_PIECE_BYTES = 512;

const utf8 = new TextEncoder();

/**
 * A byte-level BPE tokenizer: text to token ids, as the tokenizers library gives them for text without added tokens. The
 * pattern looks forward only, so from a pre-token's start on the text before makes no difference.
 */
export class BytePairEncoder {
  readonly rules: BytePairRules;
  readonly #expressions: readonly RegExp[];
  readonly #wholeTokens: ReadonlyMap<string, number>;
  readonly #remembered = new Map<string, Uint32Array>();

  constructor(rules: BytePairRules, tokenBytes: TokenBytes) {
    this.rules = rules;
    this.#expressions = rules.patterns.map((source) => new RegExp(source, "gu"));
    this.#wholeTokens = rules.wholeTokensFirst ? tokensByText(tokenBytes) : new Map();
  }

  /** Cuts text, normalized, into pre-tokens. */
  preTokens(text: string): string[] {
    let pieces = [this.rules.normalization === "NFC" ? text.normalize("NFC") : text];
    for (const expression of this.#expressions) pieces = pieces.flatMap((piece) => cut(piece, expression));
    return pieces;
  }

  /** The tokens of one pre-token; undefined for one that is too long. */
  encodePreToken(piece: string): Uint32Array | undefined {
    const known = this.#remembered.get(piece);
    if (known !== undefined) return known;
    const bytes = utf8.encode(piece);
    if (bytes.byteLength > MOST_PIECE_BYTES) return undefined;
    const whole = this.#wholeTokens.get(piece);
    const ids = whole === undefined ? this.#join(bytes) : Uint32Array.of(whole);
    if (this.#remembered.size >= MOST_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(piece, ids);
    return ids;
  }

  /** Joins neighbours, the pair of the highest precedence and of equals the leftmost first, until none is joined. */
  #join(bytes: Uint8Array): Uint32Array {
    const { byteIds, pairs } = this.rules;
    const ids = Array.from(bytes, (byte) => byteIds[byte] as number);
    while (ids.length > 1) {
      let best = NO_MERGE;
      let at = 0;
      for (let i = 0; i + 1 < ids.length; i++) {
        const rank = mergeRank(pairs, ids[i] as number, ids[i + 1] as number);
        if (rank < best) [best, at] = [rank, i];
      }
      if (best === NO_MERGE) break;
      ids.splice(at, 2, pairs.joined[best] as number);
    }
    return Uint32Array.from(ids);
  }
}

/** The matches of an expression and what lies between them, in order. */
function cut(text: string, expression: RegExp): string[] {
  const pieces: string[] = [];
  let end = 0;
  for (const { 0: match, index } of text.matchAll(expression)) {
    if (index > end) pieces.push(text.slice(end, index));
    if (match !== "") pieces.push(match);
    end = index + match.length;
  }
  if (end < text.length) pieces.push(text.slice(end));
  return pieces;
}

/** Tokens that are whole text. */
function tokensByText(tokenBytes: TokenBytes): Map<string, number> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const tokens = new Map<string, number>();
  for (let id = 0; id + 1 < tokenBytes.starts.length; id++) {
    if (tokenBytes.lengthOf(id) === 0) continue;
    try {
      const text = decoder.decode(tokenBytes.bytes.subarray(tokenBytes.starts[id], tokenBytes.starts[id + 1]));
      if (!tokens.has(text)) tokens.set(text, id);
    } catch {
      // Part of a character: no pre-token is spelled by it alone.
    }
  }
  return tokens;
}

import { isUtf8 } from "node:buffer";
import type { TokenBytes } from "../token-bytes.ts";
import type { BytePairEncoder } from "../tokenizer/byte-pair-encoder.ts";

/** Whether tokens are those that their text has when it comes back as part of a prompt. */
export type CanonicalVerdict =
  /** The first `settled` are, whatever follows; the others depend on what follows. */
  | { readonly kind: "same"; readonly settled: number }
  /** Token `at` is the first that is not. */
  | { readonly kind: "differs"; readonly at: number }
  /** It takes too long to find out. */
  | { readonly kind: "unknown" };

/** What follows can still change the cuts between these pre-tokens at the end: a contraction's letters, a run of blanks. */
const OPEN_PRE_TOKENS = 3;

const SPECIAL_CHARACTERS = /[.*+?^${}()|[\]\\]/g;

/**
 * Tells sampled tokens from those that a tokenizer gives for the same text. A model may sample "th" and "e" where the
 * tokenizer says "the": a prompt that repeats the text has other blocks then.
 */
export class CanonicalTokens {
  readonly #encoder: BytePairEncoder;
  readonly #tokenBytes: TokenBytes;
  readonly #addedIds: ReadonlySet<number>;
  readonly #addedText: RegExp | undefined;

  constructor(encoder: BytePairEncoder, tokenBytes: TokenBytes) {
    this.#encoder = encoder;
    this.#tokenBytes = tokenBytes;
    const { addedTokens } = encoder.rules;
    this.#addedIds = new Set(addedTokens.map(({ id }) => id));
    const texts = addedTokens.map(({ text }) => text.replace(SPECIAL_CHARACTERS, "\\$&"));
    this.#addedText = texts.length === 0 ? undefined : new RegExp(texts.join("|"));
  }

  /** Whether a token stands for itself: text is cut before and after it whatever is around it. */
  isAdded(id: number): boolean {
    return this.#addedIds.has(id);
  }

  /** Judges tokens that begin where a pre-token begins: at a prompt's start, behind an added token, or at a settled end. */
  judge(ids: Uint32Array): CanonicalVerdict {
    let from = 0;
    for (let at = 0; at < ids.length; at++) {
      if (!this.#addedIds.has(ids[at] as number)) continue;
      const verdict = this.#judgeRun(ids, from, at, true);
      if (verdict.kind !== "same") return verdict;
      from = at + 1;
    }
    return this.#judgeRun(ids, from, ids.length, false);
  }

  /** Judges the tokens from `from` up to `to`; what follows them is known to be a cut, or not known. */
  #judgeRun(ids: Uint32Array, from: number, to: number, cutBehind: boolean): CanonicalVerdict {
    if (from === to) return { kind: "same", settled: to };
    const text = textOf(this.#tokenBytes.spell(ids, from, to), cutBehind);
    // Ordinary tokens that spell what an added token is written as: the text comes back as that token.
    const foreignAt = this.#addedText?.exec(text)?.index;
    const isCut = cutBehind || foreignAt !== undefined;
    const pieces = this.#encoder.preTokens(text.slice(0, foreignAt));
    if (!isCut) pieces.splice(-OPEN_PRE_TOKENS);
    let at = from;
    for (const piece of pieces) {
      const canonical = this.#encoder.encodePreToken(piece);
      if (canonical === undefined) return { kind: "unknown" };
      for (const id of canonical) {
        if (at === to || ids[at] !== id) return { kind: "differs", at: Math.min(at, to - 1) };
        at++;
      }
    }
    return isCut && at < to ? { kind: "differs", at } : { kind: "same", settled: at };
  }
}

/** Bytes as the text that a client gets: a replacement character for what is none, unless the rest may still come. */
function textOf(bytes: Buffer, isWhole: boolean): string {
  if (isWhole || isUtf8(bytes)) return bytes.toString("utf8");
  for (let missing = 1; missing <= 3; missing++) {
    const start = bytes.subarray(0, bytes.byteLength - missing);
    if (isUtf8(start) && (bytes[start.byteLength] as number) >= 0xc2) return start.toString("utf8");
  }
  return bytes.toString("utf8");
}

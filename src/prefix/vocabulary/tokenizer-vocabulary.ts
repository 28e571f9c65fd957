import type { PieceCoding } from "./piece-coding.ts";
import { type Piece, vocabularyOfPieces } from "./pieces.ts";
import { flatComponents, type TokenizerFile } from "./tokenizer-file.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** A vocabulary, or why there is none. */
export type VocabularyResult =
  | { readonly ok: true; readonly vocabulary: Vocabulary }
  | { readonly ok: false; readonly message: string };

/** The vocabulary of a tokenizer.json. */
export function vocabularyOfTokenizer(file: TokenizerFile): VocabularyResult {
  const coding = codingOf(file);
  if (coding === undefined)
    return { ok: false, message: "the tokenizer's pieces are neither byte-level nor marked text" };
  const addedTokens = file.added_tokens.map(({ id, content }) => ({ id, piece: content }));
  const vocabulary = vocabularyOfPieces(piecesOf(file), addedTokens, coding);
  return vocabulary === undefined ? { ok: false, message: "a token id is out of range" } : { ok: true, vocabulary };
}

/** How the tokenizer writes bytes, by its decoder. */
function codingOf({ decoder, pre_tokenizer }: TokenizerFile): PieceCoding | undefined {
  const components = [...flatComponents(decoder), ...flatComponents(pre_tokenizer)];
  if (components.some(({ type }) => type === "ByteLevel")) return "byte_level";
  const marksBlanks = components.some(({ type }) => type === "Metaspace" || type === "ByteFallback");
  return marksBlanks ? "blank_mark" : undefined;
}

function* piecesOf({ model }: TokenizerFile): Generator<Piece> {
  const { vocab } = model;
  if (Array.isArray(vocab)) for (const [id, [piece]] of vocab.entries()) yield { id, piece };
  else for (const piece in vocab) yield { id: vocab[piece] ?? -1, piece };
}

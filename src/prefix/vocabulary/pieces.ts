import { addedTokenBytes, type PieceCoding, pieceBytes } from "./piece-coding.ts";
import { Vocabulary } from "./vocabulary.ts";

/** Ids beyond this are taken for a broken vocabulary. */
const maxIds = 1 << 22;

/** A token id and how the vocabulary writes its bytes. */
export type Piece = { readonly id: number; readonly piece: string };

/** A vocabulary of pieces and added tokens; an added token wins where both have its id. Undefined for absurd ids. */
export function vocabularyOfPieces(
  pieces: Iterable<Piece>,
  addedTokens: Iterable<Piece>,
  coding: PieceCoding,
): Vocabulary | undefined {
  const texts: (string | undefined)[] = [];
  const added = new Set<number>();
  for (const { id, piece } of pieces) {
    if (!isTokenId(id)) return undefined;
    texts[id] = piece;
  }
  for (const { id, piece } of addedTokens) {
    if (!isTokenId(id)) return undefined;
    texts[id] = piece;
    added.add(id);
  }
  const bytesOf = (id: number): Uint8Array => {
    const text = texts[id] ?? "";
    return added.has(id) ? addedTokenBytes(text, coding) : pieceBytes(text, coding);
  };
  const lengths = Uint32Array.from({ length: texts.length }, (_, id) => bytesOf(id).byteLength);
  return Vocabulary.build(lengths, (id, into) => into.set(bytesOf(id)));
}

function isTokenId(id: number): boolean {
  return Number.isInteger(id) && id >= 0 && id < maxIds;
}

/**
 * A vocabulary of raw token strings, as an engine's `/tokenize` gives them with `return_token_strs`. They do not tell
 * added tokens from others: name those in `addedTokens`.
 */
export function vocabularyOfTokenStrings(
  tokens: Iterable<Piece>,
  addedTokens: ReadonlySet<string>,
  coding: PieceCoding,
): Vocabulary | undefined {
  const all = [...tokens];
  return vocabularyOfPieces(
    all.filter(({ piece }) => !addedTokens.has(piece)),
    all.filter(({ piece }) => addedTokens.has(piece)),
    coding,
  );
}

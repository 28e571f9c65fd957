import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { TokenBytes } from "../token-bytes.ts";
import { BytePairEncoder } from "./byte-pair-encoder.ts";
import type { TokenizerAnswer } from "./tokenizer-answer.ts";

export type LoadedTokenizer =
  | {
      readonly ok: true;
      readonly tokenBytes: TokenBytes;
      /** Undefined, with the reason, for a tokenizer of a kind that cannot be encoded with here. */
      readonly encoder: BytePairEncoder | undefined;
      readonly withoutEncoder?: string;
    }
  | { readonly ok: false; readonly message: string };

/** Tokenizers by the path of their tokenizer.json, each read once. A file that could not be read is tried again. */
export class TokenizerStore {
  readonly #loading = new Map<string, Promise<LoadedTokenizer>>();

  /** Never rejects. */
  load(file: string): Promise<LoadedTokenizer> {
    const known = this.#loading.get(file);
    if (known !== undefined) return known;
    const loading = readElsewhere(file).then((answer): LoadedTokenizer => {
      if (!answer.ok) this.#loading.delete(file);
      return answer.ok ? loadedTokenizer(answer) : answer;
    });
    this.#loading.set(file, loading);
    return loading;
  }
}

function loadedTokenizer({ bytes, starts, rules }: Extract<TokenizerAnswer, { ok: true }>): LoadedTokenizer {
  const tokenBytes = new TokenBytes(bytes, starts);
  if (!rules.ok) return { ok: true, tokenBytes, encoder: undefined, withoutEncoder: rules.message };
  return { ok: true, tokenBytes, encoder: new BytePairEncoder(rules.rules, tokenBytes) };
}

/** Built, all of the collector is one file, and the reader another beside it. */
const READER = import.meta.url.endsWith(".ts")
  ? new URL("./tokenizer-reader.ts", import.meta.url)
  : new URL("./tokenizer-reader.js", import.meta.url);

function readElsewhere(file: string): Promise<TokenizerAnswer> {
  return new Promise((resolve) => {
    const reader = fork(fileURLToPath(READER), [file], { serialization: "advanced", execArgv: [] });
    reader.once("message", (answer: TokenizerAnswer) => resolve(withOwnArrays(answer)));
    reader.once("error", (error) => resolve({ ok: false, message: error.message }));
    // After a message this changes nothing any more.
    reader.once("exit", (code) => resolve({ ok: false, message: `the reading process ended with code ${code}` }));
  });
}

/** Arrays arrive as views of the message, all of which each of them would keep in memory. */
function withOwnArrays(answer: TokenizerAnswer): TokenizerAnswer {
  if (!answer.ok) return answer;
  const { bytes, starts, rules } = answer;
  const own = { ok: true, bytes: bytes.slice(), starts: starts.slice() } as const;
  if (!rules.ok) return { ...own, rules };
  const { byteIds, pairs } = rules.rules;
  const { left, right, rank, joined } = pairs;
  const ownRules = {
    ...rules.rules,
    byteIds: byteIds.slice(),
    pairs: { left: left.slice(), right: right.slice(), rank: rank.slice(), joined: joined.slice() },
  };
  return { ...own, rules: { ok: true, rules: ownRules } };
}

/**
 * A process of its own that reads one tokenizer.json: parsing takes a second and more than a hundred megabytes, which a
 * thread of the collector would not give back. What is kept goes over as plain arrays.
 */
import { readFileSync } from "node:fs";
import * as z from "zod";
import { readTokenizerFile } from "../../../prefix/vocabulary/tokenizer-file.ts";
import { vocabularyOfTokenizer } from "../../../prefix/vocabulary/tokenizer-vocabulary.ts";
import { TokenBytes } from "../token-bytes.ts";
import { bytePairRulesOf } from "./byte-pair-rules.ts";
import type { TokenizerAnswer } from "./tokenizer-answer.ts";

function read(file: string): TokenizerAnswer {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
  const tokenizer = readTokenizerFile(value);
  if (!tokenizer.ok) return tokenizer;
  const built = vocabularyOfTokenizer(tokenizer.file);
  if (!built.ok) return built;
  const { bytes, starts } = TokenBytes.of(built.vocabulary);
  return { ok: true, bytes, starts, rules: bytePairRulesOf(tokenizer.file) };
}

const file = z.string().parse(process.argv[2]);
process.send?.(read(file), () => process.disconnect());

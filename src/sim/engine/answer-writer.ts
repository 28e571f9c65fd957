import { TextDecoder } from "node:util";
import type { QwenTokenizer } from "./qwen-tokenizer.ts";
import { randomStream } from "./random-stream.ts";

/** What decides an answer. */
export interface AnswerOrder {
  readonly prompt: Uint32Array;
  /** Which of the request's choices this is. */
  readonly choice: number;
  readonly seed: number;
  /** Most tokens, the end-of-turn token included. */
  readonly maxTokens: number;
  /** The exact text to answer, then stop; null for made-up words up to maxTokens. */
  readonly text: string | null;
  readonly stop: readonly string[];
}

/** An answer decided before its first token is generated. */
export interface Answer {
  readonly tokens: Uint32Array;
  /** The text that each token adds when it is generated; empty while a character is incomplete, and for the end. */
  readonly texts: readonly string[];
  readonly finishReason: "stop" | "length";
  /** The stop string that ended it. */
  readonly stopReason: string | null;
}

const COMMON_IDS = 20_000;
const MOST_WORDS = 4000;
const FULL_STOP_SHARE = 0.08;
const COMMA_SHARE = 0.06;
/** Of the words of an answer that is not canonical; its first one is always split. */
const SPLIT_SHARE = 0.1;

/**
 * Writes answers of real vocabulary tokens: words and punctuation that, read back as text, give the same ids. With a
 * non-canonical share, that part of the answers has words in two tokens where the tokenizer would use one, as sampling may.
 */
export class AnswerWriter {
  readonly #tokenizer: QwenTokenizer;
  readonly #noncanonicalShare: number;
  readonly #words: Uint32Array;
  readonly #openers: Uint32Array;
  readonly #firstWords: Uint32Array;
  readonly #endOfTurn: number;
  readonly #fullStop: number;
  readonly #comma: number;

  constructor(tokenizer: QwenTokenizer, noncanonicalShare: number) {
    this.#tokenizer = tokenizer;
    this.#noncanonicalShare = noncanonicalShare;
    this.#words = findTokens(tokenizer, /^Ġ[a-z]{2,9}$/);
    this.#openers = findTokens(tokenizer, /^Ġ[A-Z][a-z]{2,9}$/);
    this.#firstWords = findTokens(tokenizer, /^[A-Z][a-z]{2,9}$/);
    this.#endOfTurn = tokenizer.idOf("<|im_end|>") ?? 0;
    this.#fullStop = tokenizer.idOf(".") ?? 0;
    this.#comma = tokenizer.idOf(",") ?? 0;
  }

  /** The answer to an order; the same order always has the same answer. */
  write(order: AnswerOrder): Answer {
    const random = randomStream(seedOf(order));
    const canonical =
      order.text === null
        ? this.#makeUp(order.maxTokens, random)
        : [...this.#tokenizer.encode(order.text), this.#endOfTurn];
    const sampled = random() < this.#noncanonicalShare ? this.#split(canonical, random) : canonical;
    const tokens = sampled.slice(0, order.maxTokens);
    const texts = spellOut(tokens, this.#tokenizer, this.#endOfTurn);
    const stopped = cutAtStop(texts, order.stop);
    if (stopped !== null) {
      return {
        tokens: Uint32Array.from(tokens.slice(0, stopped.texts.length)),
        texts: stopped.texts,
        finishReason: "stop",
        stopReason: stopped.stop,
      };
    }
    const finishReason = tokens.at(-1) === this.#endOfTurn ? "stop" : "length";
    return { tokens: Uint32Array.from(tokens), texts, finishReason, stopReason: null };
  }

  #makeUp(count: number, random: () => number): number[] {
    let previous: number | null = null;
    return Array.from({ length: count }, () => {
      previous = this.#nextWord(previous, random);
      return previous;
    });
  }

  #nextWord(previous: number | null, random: () => number): number {
    if (previous === null) return pick(this.#firstWords, random);
    if (previous === this.#fullStop) return pick(this.#openers, random);
    const kind = previous === this.#comma ? 1 : random();
    if (kind < FULL_STOP_SHARE) return this.#fullStop;
    if (kind < FULL_STOP_SHARE + COMMA_SHARE) return this.#comma;
    return pick(this.#words, random);
  }

  #split(tokens: readonly number[], random: () => number): number[] {
    let isFirst = true;
    return tokens.flatMap((id) => {
      const parts = isFirst || random() < SPLIT_SHARE ? this.#splitToken(id) : null;
      if (parts !== null) isFirst = false;
      return parts ?? [id];
    });
  }

  #splitToken(id: number): [number, number] | null {
    const token = this.#tokenizer.tokenOf(id);
    for (let at = Math.ceil(token.length / 2); id < this.#endOfTurn && at > 0 && at < token.length; at -= 1) {
      const left = this.#tokenizer.idOf(token.slice(0, at));
      const right = this.#tokenizer.idOf(token.slice(at));
      if (left !== undefined && right !== undefined) return [left, right];
    }
    return null;
  }
}

function findTokens(tokenizer: QwenTokenizer, spelling: RegExp): Uint32Array {
  const found: number[] = [];
  for (let id = 0; id < COMMON_IDS && found.length < MOST_WORDS; id += 1) {
    if (!spelling.test(tokenizer.tokenOf(id))) continue;
    const again = tokenizer.encode(tokenizer.decode([id]));
    if (again.length === 1 && again[0] === id) found.push(id);
  }
  return Uint32Array.from(found);
}

function pick(ids: Uint32Array, random: () => number): number {
  return ids[Math.floor(random() * ids.length)] ?? 0;
}

function seedOf(order: AnswerOrder): number {
  const { prompt } = order;
  let seed = Math.imul(order.seed + 1, 0x85ebca6b) ^ order.choice;
  // By index: an iterator costs more than the rest of the request on a long prompt.
  for (let index = 0; index < prompt.length; index += 1) seed = Math.imul(seed ^ (prompt[index] ?? 0), 0x01000193);
  return seed;
}

function spellOut(tokens: readonly number[], tokenizer: QwenTokenizer, endOfTurn: number): string[] {
  // Only tokens that split a character need a decoder, and from the first one on.
  let decoder: TextDecoder | null = null;
  return tokens.map((id, index) => {
    const isEnd = id === endOfTurn;
    const text = isEnd ? "" : tokenizer.textOf(id);
    if (decoder === null && text !== null) return text;
    decoder ??= new TextDecoder("utf-8", { ignoreBOM: true });
    const bytes = isEnd ? undefined : tokenizer.bytesOf(id);
    return decoder.decode(bytes, { stream: index < tokens.length - 1 });
  });
}

function cutAtStop(texts: readonly string[], stop: readonly string[]): { texts: string[]; stop: string } | null {
  if (stop.length === 0) return null;
  const whole = texts.join("");
  const found = stop
    .filter((text) => text !== "")
    .map((text) => ({ text, at: whole.indexOf(text) }))
    .filter(({ at }) => at >= 0)
    .sort((left, right) => left.at + left.text.length - (right.at + right.text.length))[0];
  if (found === undefined) return null;
  const cut: string[] = [];
  let length = 0;
  for (const text of texts) {
    cut.push(text.slice(0, Math.max(0, found.at - length)));
    length += text.length;
    if (length >= found.at + found.text.length) break;
  }
  return { texts: cut, stop: found.text };
}

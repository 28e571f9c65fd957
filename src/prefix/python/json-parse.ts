import { maxIntegerDigits } from "./representation.ts";
import { type Dict, Float, integer, type Value } from "./value.ts";

/** A JSON text read, or why it is refused. */
export type JsonResult =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly reason: "not_json" | "too_deep" | "number_too_long"; readonly message: string };

/** Nesting beyond this is refused: Python's reader gives up somewhere above it. */
const maxDepth = 500;

/**
 * Reads JSON as Python's `json.loads` does: integers exact, `1.0` a float, `NaN` and `Infinity` accepted, key order as
 * written (also of numeric-looking keys), a repeated key in its first place with its last value.
 */
export function parseJson(text: string): JsonResult {
  try {
    return { ok: true, value: new JsonReader(text).document() };
  } catch (error) {
    if (error instanceof JsonFailure) return { ok: false, reason: error.reason, message: error.message };
    throw error;
  }
}

class JsonFailure extends Error {
  readonly reason: Extract<JsonResult, { ok: false }>["reason"];
  constructor(reason: JsonFailure["reason"], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Strings up to this length are read here: below it a call of the native reader costs more than the loop. */
const shortString = 40;

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

const numberPattern = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;

const literals: readonly (readonly [string, () => Value])[] = [
  ["null", () => null],
  ["true", () => true],
  ["false", () => false],
  ["NaN", () => new Float(Number.NaN)],
  ["Infinity", () => new Float(Number.POSITIVE_INFINITY)],
  ["-Infinity", () => new Float(Number.NEGATIVE_INFINITY)],
];

class JsonReader {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): Value {
    this.#skipBlanks();
    const value = this.#value();
    this.#skipBlanks();
    if (this.#at < this.#text.length) throw this.#failure("extra data");
    return value;
  }

  #value(): Value {
    const code = this.#text.charCodeAt(this.#at);
    if (code === quote) return this.#string();
    if (code === openBrace) return this.#nested(() => this.#object());
    if (code === openBracket) return this.#nested(() => this.#array());
    return this.#number() ?? this.#literal();
  }

  #nested(read: () => Value): Value {
    if (++this.#depth > maxDepth) throw new JsonFailure("too_deep", `nested deeper than ${maxDepth}`);
    this.#at++;
    this.#skipBlanks();
    const value = read();
    this.#depth--;
    return value;
  }

  #object(): Dict {
    const dict: Dict = new Map();
    if (this.#accept(closeBrace)) return dict;
    do {
      this.#skipBlanks();
      if (this.#text.charCodeAt(this.#at) !== quote) throw this.#failure("expecting a property name");
      const key = this.#string();
      this.#skipBlanks();
      if (!this.#accept(colon)) throw this.#failure("expecting ':'");
      this.#skipBlanks();
      dict.set(key, this.#value());
      this.#skipBlanks();
    } while (this.#accept(comma));
    if (!this.#accept(closeBrace)) throw this.#failure("expecting ',' or '}'");
    return dict;
  }

  #array(): Value[] {
    const items: Value[] = [];
    if (this.#accept(closeBracket)) return items;
    do {
      this.#skipBlanks();
      items.push(this.#value());
      this.#skipBlanks();
    } while (this.#accept(comma));
    if (!this.#accept(closeBracket)) throw this.#failure("expecting ',' or ']'");
    return items;
  }

  #string(): string {
    const text = this.#text;
    const start = this.#at;
    for (let at = start + 1; at <= start + shortString; at++) {
      const code = text.charCodeAt(at);
      if (code === quote) {
        this.#at = at + 1;
        return text.slice(start + 1, at);
      }
      // Also false at the end of the text, where the code is NaN.
      if (!(code >= 0x20) || code === backslash) break;
    }
    return this.#longString();
  }

  /** The native reader checks and unescapes; here only the closing quote is found. */
  #longString(): string {
    const text = this.#text;
    const start = this.#at;
    let end = text.indexOf('"', start + 1);
    while (end !== -1 && escaped(text, end)) end = text.indexOf('"', end + 1);
    if (end === -1) throw this.#failure("unterminated string");
    this.#at = end + 1;
    try {
      return JSON.parse(text.slice(start, end + 1));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.#at = start;
      throw this.#failure("invalid escape or control character in a string");
    }
  }

  #number(): Value | undefined {
    numberPattern.lastIndex = this.#at;
    const match = numberPattern.exec(this.#text);
    if (match === null) return undefined;
    const [written, fraction, exponent] = match;
    this.#at += written.length;
    if (fraction !== undefined || exponent !== undefined) return new Float(Number(written));
    if (written.length <= 15) return Number(written) || 0;
    if (written.length > maxIntegerDigits + (written.startsWith("-") ? 1 : 0)) {
      throw new JsonFailure("number_too_long", `an integer of more than ${maxIntegerDigits} digits`);
    }
    return integer(BigInt(written));
  }

  #literal(): Value {
    for (const [word, value] of literals) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value();
      }
    }
    throw this.#failure("expecting a value");
  }

  #accept(code: number): boolean {
    if (this.#text.charCodeAt(this.#at) !== code) return false;
    this.#at++;
    return true;
  }

  #skipBlanks(): void {
    let code = this.#text.charCodeAt(this.#at);
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = this.#text.charCodeAt(++this.#at);
  }

  #failure(what: string): JsonFailure {
    return new JsonFailure("not_json", `${what} at character ${this.#at}`);
  }
}

/** The quote at `end` follows an odd number of backslashes. */
function escaped(text: string, end: number): boolean {
  let first = end;
  while (text.charCodeAt(first - 1) === backslash) first--;
  return (end - first) % 2 === 1;
}

import { Float, integer, type Value } from "../python/value.ts";
import { TemplateSyntaxFailure } from "./syntax-failure.ts";

/** The value of a number with a fraction or exponent, `1_0.5e3`. */
export function floatLiteral(text: string): Value {
  return new Float(Number(text.replaceAll("_", "")));
}

/** The value of a whole number, `1_000` or `0x1f`. */
export function integerLiteral(text: string): Value {
  return integer(BigInt(text.replaceAll("_", "")));
}

const escapePattern = /\\(?:\n|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|[\s\S])/g;

const simpleEscapes: Readonly<Record<string, string>> = {
  "\n": "",
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/** The value of a quoted literal, unescaped as Python's `unicode-escape` codec does. */
export function stringLiteral(text: string, line: number): string {
  const content = text.slice(1, -1);
  if (!content.includes("\\")) return content;
  return content.replace(escapePattern, (sequence) => unescaped(sequence, line));
}

function unescaped(sequence: string, line: number): string {
  const kind = sequence[1] ?? "";
  const digits = sequence.slice(2);
  if ("xuU".includes(kind)) {
    const code = Number.parseInt(digits, 16);
    // Two surrogate escapes stay two characters in Python, which no UTF-8 text can hold.
    if (digits === "" || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
      throw new TemplateSyntaxFailure(`bad escape '${sequence}' in a string`, line);
    }
    return String.fromCodePoint(code);
  }
  if (/[0-7]/.test(kind)) return String.fromCodePoint(Number.parseInt(sequence.slice(1), 8));
  if (kind > "\x7f" || kind === "N") throw new TemplateSyntaxFailure(`escape '${sequence}' is not supported`, line);
  return simpleEscapes[kind] ?? sequence;
}

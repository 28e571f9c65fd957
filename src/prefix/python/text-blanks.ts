import { codePoints } from "./code-points.ts";
import { valueError } from "./failure.ts";

/**
 * What Python's `str` methods take for blanks: more than JavaScript (U+001C to U+001F, U+0085) and less (U+FEFF).
 * `str.isspace`, CPython's `_PyUnicode_IsWhitespace`.
 */
export const blankClass = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

const blank = new RegExp(`[${blankClass}]`);
const blankRun = new RegExp(`[${blankClass}]+`);

/** The character is a blank for Python. */
export function isBlank(character: string): boolean {
  return blank.test(character);
}

/** Python's `text.strip(characters)` on the sides asked for; undefined characters: blanks. */
export function strip(text: string, characters: string | undefined, side: "left" | "right" | "both"): string {
  const stripped = characters === undefined ? isBlank : memberOf(characters);
  // No stripped character is a surrogate unless the set has one: only then does counting code points matter.
  const units = characters === undefined || !/[\ud800-\udfff]/.test(characters) ? text : codePoints(text);
  let start = 0;
  let end = units.length;
  if (side !== "right") while (start < end && stripped(units[start] ?? "")) start++;
  if (side !== "left") while (end > start && stripped(units[end - 1] ?? "")) end--;
  return typeof units === "string" ? units.slice(start, end) : units.slice(start, end).join("");
}

function memberOf(characters: string): (character: string) => boolean {
  const members = new Set(codePoints(characters));
  return (character) => members.has(character);
}

/** Python's `text.split(separator, limit)`: from the left, at most `limit` cuts; negative: all. */
export function split(text: string, separator: string | undefined, limit: number): string[] {
  if (separator === undefined) return splitAtBlanks(text, limit);
  if (separator === "") throw valueError("empty separator");
  const parts = text.split(separator);
  if (limit < 0 || parts.length <= limit + 1) return parts;
  return [...parts.slice(0, limit), parts.slice(limit).join(separator)];
}

/** Python's `text.rsplit(separator, limit)`: the cuts are counted from the right. */
export function splitFromRight(text: string, separator: string | undefined, limit: number): string[] {
  if (separator === undefined) return splitAtBlanksFromRight(text, limit);
  if (separator === "") throw valueError("empty separator");
  const parts: string[] = [];
  let end = text.length;
  while (limit < 0 || parts.length < limit) {
    const at = end < separator.length ? -1 : text.lastIndexOf(separator, end - separator.length);
    if (at === -1) break;
    parts.unshift(text.slice(at + separator.length, end));
    end = at;
  }
  return [text.slice(0, end), ...parts];
}

function splitAtBlanks(text: string, limit: number): string[] {
  const words: string[] = [];
  let rest = strip(text, undefined, "left");
  while (rest !== "" && (limit < 0 || words.length < limit)) {
    const cut = rest.search(blankRun);
    if (cut === -1) return [...words, rest];
    words.push(rest.slice(0, cut));
    rest = strip(rest.slice(cut), undefined, "left");
  }
  if (rest !== "") words.push(rest);
  return words;
}

function splitAtBlanksFromRight(text: string, limit: number): string[] {
  const words: string[] = [];
  let rest = strip(text, undefined, "right");
  while (rest !== "" && (limit < 0 || words.length < limit)) {
    let cut = rest.length;
    while (cut > 0 && !isBlank(rest[cut - 1] ?? "")) cut--;
    words.unshift(rest.slice(cut));
    rest = strip(rest.slice(0, cut), undefined, "right");
  }
  if (rest !== "") words.unshift(rest);
  return words;
}

const lineEndClass = "\\n-\\r\\x1c-\\x1e\\x85\\u2028\\u2029";
const lineEnd = new RegExp(`\\r\\n|[${lineEndClass}]`, "g");

/** Python's `text.splitlines(keep_ends)`. */
export function splitLines(text: string, keepEnds: boolean): string[] {
  const lines: string[] = [];
  let start = 0;
  for (const { index, 0: end } of text.matchAll(lineEnd)) {
    lines.push(text.slice(start, keepEnds ? index + end.length : index));
    start = index + end.length;
  }
  if (start < text.length) lines.push(text.slice(start));
  return lines;
}

import { valueError } from "./failure.ts";
import { floatText } from "./float-text.ts";
import { TextMeter } from "./text-limit.ts";
import { Float, Tuple, type Value } from "./value.ts";

/** Digits of the longest integer that Python reads and writes (`sys.int_info.default_max_str_digits`). */
export const maxIntegerDigits = 4300;

/** Python's `str(value)`: what `{{ value }}` prints. */
export function text(value: Value): string {
  if (typeof value === "string") return value;
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number" || typeof value === "bigint") return integerText(value);
  if (value instanceof Float) return floatText(value.value);
  if (Array.isArray(value) || value instanceof Map || value instanceof Tuple) return representation(value);
  return value.text();
}

/** The digits of an `int`. Throws PythonError (ValueError) where Python refuses to write so many. */
export function integerText(value: number | bigint): string {
  const digits = String(value);
  if (digits.length > maxIntegerDigits) throw valueError(`Exceeds the limit (${maxIntegerDigits} digits)`);
  return digits;
}

/** Python's `repr(value)`. */
export function representation(value: Value): string {
  return metered(value, new TextMeter());
}

function metered(value: Value, meter: TextMeter): string {
  const written = (item: Value): string => metered(item, meter);
  if (typeof value === "string") return meter.add(quoted(value));
  if (Array.isArray(value)) return meter.add("[]") && `[${value.map(written).join(", ")}]`;
  if (value instanceof Tuple) {
    const items = meter.add("()") && value.items.map(written).join(", ");
    return value.items.length === 1 ? `(${items},)` : `(${items})`;
  }
  if (value instanceof Map) {
    const entries = Array.from(value, ([key, item]) => `${written(key)}: ${written(item)}`);
    return meter.add("{}") && `{${entries.join(", ")}}`;
  }
  if (value === null || typeof value !== "object" || value instanceof Float) return meter.add(text(value));
  return meter.add(value.repr());
}

/** Backslash, and what Python calls not printable: other and separator characters except the blank. */
const escapedCharacter = /[\\\p{C}\p{Z}]/gu;

/** `repr` of a `str`: single quotes, unless the text has some and no double ones. */
function quoted(content: string): string {
  const mark = content.includes("'") && !content.includes('"') ? '"' : "'";
  const escaped = content.replace(escapedCharacter, escapeSequence);
  return mark + (mark === "'" ? escaped.replaceAll("'", "\\'") : escaped) + mark;
}

function escapeSequence(character: string): string {
  switch (character) {
    case " ":
      return character;
    case "\\":
      return "\\\\";
    case "\n":
      return "\\n";
    case "\r":
      return "\\r";
    case "\t":
      return "\\t";
  }
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  if (code <= 0xff) return `\\x${hex.padStart(2, "0")}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

import { compareText } from "./code-points.ts";
import { PythonError, typeError } from "./failure.ts";
import { floatText } from "./float-text.ts";
import { integerText } from "./representation.ts";
import { TextMeter } from "./text-limit.ts";
import { type Dict, type DictKey, Float, Tuple, typeName, type Value } from "./value.ts";

/** The options of `json.dumps` that templates use. */
export type JsonDumpOptions = {
  /** Text of one level of indentation; undefined: everything on one line. */
  readonly indent?: string | undefined;
  /** Between items, and between a key and its value. */
  readonly separators?: readonly [string, string] | undefined;
  readonly sortKeys?: boolean;
  /** Escapes everything beyond ASCII. */
  readonly ensureAscii?: boolean;
};

/** Writes a value as Python's `json.dumps(value, ensure_ascii=False)` does. Throws PythonError where it raises. */
export function dumpJson(value: Value, options: JsonDumpOptions = {}): string {
  const separators = options.separators ?? [options.indent === undefined ? ", " : ",", ": "];
  const quoted = options.ensureAscii === true ? quoteAscii : quote;
  return new JsonWriter(separators, options.indent, options.sortKeys === true, quoted).write(value, "\n");
}

class JsonWriter {
  readonly #separators: readonly [string, string];
  readonly #indent: string | undefined;
  readonly #sortKeys: boolean;
  readonly #quoted: (text: string) => string;
  readonly #meter = new TextMeter();

  constructor(
    separators: readonly [string, string],
    indent: string | undefined,
    sortKeys: boolean,
    quoted: (text: string) => string,
  ) {
    this.#separators = separators;
    this.#indent = indent;
    this.#sortKeys = sortKeys;
    this.#quoted = (text) => this.#meter.add(quoted(text));
  }

  /** `lineStart`: a line feed and the indentation of the line the value begins on. */
  write(value: Value, lineStart: string): string {
    if (value === null) return "null";
    if (typeof value === "boolean") return value ? "true" : "false";
    if (typeof value === "string") return this.#quoted(value);
    if (typeof value === "number" || typeof value === "bigint") return integerText(value);
    if (value instanceof Float) return jsonFloat(value.value);
    if (Array.isArray(value)) return this.#items("[", value, "]", lineStart);
    if (value instanceof Tuple) return this.#items("[", value.items, "]", lineStart);
    if (value instanceof Map) return this.#dict(value, lineStart);
    return this.#quoted(value.jsonText() ?? notSerializable(value));
  }

  #items(open: string, items: readonly Value[], close: string, lineStart: string): string {
    return this.#enclosed(
      open,
      items.map((item) => this.write(item, this.#deeper(lineStart))),
      close,
      lineStart,
    );
  }

  #dict(dict: Dict, lineStart: string): string {
    const colon = this.#separators[1];
    const entries = this.#sortKeys ? sortedEntries(dict) : [...dict];
    const written = entries.map(
      ([key, value]) => `${this.#quoted(keyText(key))}${colon}${this.write(value, this.#deeper(lineStart))}`,
    );
    return this.#enclosed("{", written, "}", lineStart);
  }

  #enclosed(open: string, parts: readonly string[], close: string, lineStart: string): string {
    this.#meter.add(open + lineStart);
    if (parts.length === 0) return open + close;
    if (this.#indent === undefined) return open + parts.join(this.#separators[0]) + close;
    const inner = this.#deeper(lineStart);
    return open + inner + parts.join(this.#separators[0] + inner) + lineStart + close;
  }

  #deeper(lineStart: string): string {
    return this.#indent === undefined ? lineStart : lineStart + this.#indent;
  }
}

function notSerializable(value: Value): never {
  throw typeError(`Object of type ${typeName(value)} is not JSON serializable`);
}

/** A float as Python's `json` writes it. */
function jsonFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  return floatText(value);
}

function keyText(key: DictKey): string {
  return key === null ? "null" : String(key);
}

function sortedEntries(dict: Dict): [DictKey, Value][] {
  const keys = [...dict.keys()];
  if (keys.length > 1 && keys.some((key) => key === null || typeof key !== typeof keys[0])) {
    throw new PythonError("TypeError", "'<' not supported between keys of different types");
  }
  return [...dict].sort(([left], [right]) =>
    typeof left === "string" && typeof right === "string" ? compareText(left, right) : Number(left) - Number(right),
  );
}

/** The native writer escapes alike, except that it also escapes a lone surrogate, which Python lets through. */
function quote(text: string): string {
  if (text.isWellFormed()) return JSON.stringify(text);
  return `"${Array.from(text, (point) => (point.isWellFormed() ? JSON.stringify(point).slice(1, -1) : point)).join("")}"`;
}

const beyondAscii = /[^\x20-\x7e]/g;

function quoteAscii(text: string): string {
  return JSON.stringify(text).replace(beyondAscii, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

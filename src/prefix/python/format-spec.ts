import { codePoints, textLength } from "./code-points.ts";
import { typeError, UnsupportedError, valueError } from "./failure.ts";
import { fixedPoint } from "./fixed-point.ts";
import { floatText } from "./float-text.ts";

/** How a value is laid out in a field: what `'%-8.2f'` and `'{:>8.2f}'` both say. */
export type FieldLayout = {
  readonly fill: string;
  readonly align: "<" | ">" | "^" | "=" | undefined;
  readonly sign: "+" | " " | "";
  readonly alternate: boolean;
  readonly grouping: "," | "_" | "";
  readonly width: number;
  readonly precision: number | undefined;
};

/** The layout of a value without any format. */
export const plainLayout: FieldLayout = {
  fill: " ",
  align: undefined,
  sign: "",
  alternate: false,
  grouping: "",
  width: 0,
  precision: undefined,
};

/** Widths and precisions beyond this are refused. */
const maxFieldWidth = 1 << 16;

/** Pads `text` to the layout's width; `sign` is the part of it before which `=` does not pad. */
export function padField(text: string, layout: FieldLayout, fallback: "<" | ">", sign = ""): string {
  if (layout.width > maxFieldWidth) throw new UnsupportedError("a field that wide");
  const missing = layout.width - textLength(text);
  if (missing <= 0) return text;
  const padding = (count: number): string => layout.fill.repeat(count);
  switch (layout.align ?? fallback) {
    case "<":
      return text + padding(missing);
    case ">":
      return padding(missing) + text;
    case "=":
      return sign + padding(missing) + text.slice(sign.length);
    case "^": {
      const before = Math.floor(missing / 2);
      return padding(before) + text + padding(missing - before);
    }
  }
}

/** A `str` in a field: cut to the precision, then padded. */
export function layOutText(text: string, layout: FieldLayout): string {
  if (layout.align === "=") throw valueError("'=' alignment not allowed in string format specifier");
  const { precision } = layout;
  const cut = precision === undefined ? text : codePoints(text).slice(0, precision).join("");
  return padField(cut, layout, "<");
}

const radixes: Readonly<Record<string, { radix: number; prefix: string }>> = {
  d: { radix: 10, prefix: "" },
  i: { radix: 10, prefix: "" },
  u: { radix: 10, prefix: "" },
  x: { radix: 16, prefix: "0x" },
  X: { radix: 16, prefix: "0X" },
  o: { radix: 8, prefix: "0o" },
  b: { radix: 2, prefix: "0b" },
};

/** An `int` in a field, by presentation type: d, x, X, o, b. */
export function layOutInteger(value: number | bigint, layout: FieldLayout, type: string): string {
  const form = radixes[type];
  if (form === undefined) throw valueError(`Unknown format code '${type}' for object of type 'int'`);
  const digits = (value < 0 ? -BigInt(value) : BigInt(value)).toString(form.radix);
  const written = type === "X" ? digits.toUpperCase() : digits;
  const prefix = signText(value < 0, layout) + (layout.alternate ? form.prefix : "");
  return padField(prefix + grouped(written, layout), layout, ">", prefix);
}

/** A `float` in a field, by presentation type: f, F, % or none. */
export function layOutFloat(value: number, layout: FieldLayout, type: string): string {
  if (!Number.isFinite(value)) throw new UnsupportedError("formatting of infinity and nan");
  const negative = value < 0 || Object.is(value, -0);
  const magnitude = Math.abs(value);
  const sign = signText(negative, layout);
  return padField(sign + grouped(floatDigits(magnitude, layout, type), layout), layout, ">", sign);
}

function floatDigits(magnitude: number, { precision, alternate }: FieldLayout, type: string): string {
  if (alternate) throw new UnsupportedError("the alternate form of a float");
  if (precision !== undefined && precision > 400) throw new UnsupportedError("a precision that high");
  if (type === "f" || type === "F") return fixedPoint(magnitude, precision ?? 6);
  if (type === "%") return `${fixedPoint(magnitude * 100, precision ?? 6)}%`;
  if (type === "" && precision === undefined) return floatText(magnitude);
  if ("eEgGn".includes(type)) throw new UnsupportedError(`float format '${type}'`);
  throw typeError(`Unknown format code '${type}' for object of type 'float'`);
}

function signText(negative: boolean, layout: FieldLayout): string {
  return negative ? "-" : layout.sign;
}

function grouped(digits: string, { grouping }: FieldLayout): string {
  if (grouping === "") return digits;
  const [whole = "", ...rest] = digits.split(".");
  return [whole.replace(/\B(?=(?:\d{3})+$)/g, grouping), ...rest].join(".");
}

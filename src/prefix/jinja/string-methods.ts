import { braceFormat, type FieldAccess } from "../python/brace-format.ts";
import { typeError, UnsupportedError, valueError } from "../python/failure.ts";
import { padField, plainLayout } from "../python/format-spec.ts";
import { listOf } from "../python/sequence.ts";
import { split, splitFromRight, splitLines, strip } from "../python/text-blanks.ts";
import { capitalize, isCase, lower, swapCase, titleCase } from "../python/text-case.ts";
import { checkTextLength, joinTexts } from "../python/text-limit.ts";
import { type CallArguments, Tuple, truthy, typeName, type Value } from "../python/value.ts";
import { integerArgument, optionalText, textArgument } from "./argument-kinds.ts";
import { bindArguments } from "./callable.ts";
import { characterTests } from "./character-tests.ts";
import { countText, findText, hasAffix } from "./text-search.ts";

type Bound = readonly (Value | undefined)[];

/** A method: its parameters, how many are required, whether they can be named, and what it does. */
type Method = {
  readonly parameters: readonly string[];
  readonly required: number;
  readonly named?: boolean;
  readonly run: (text: string, args: Bound) => Value;
};

const bounded = ["wanted", "start", "end"];

const methods: ReadonlyMap<string, Method> = new Map<string, Method>([
  ["strip", stripMethod("strip", "both")],
  ["lstrip", stripMethod("lstrip", "left")],
  ["rstrip", stripMethod("rstrip", "right")],
  ["upper", plain((text) => text.toUpperCase())],
  ["lower", plain(lower)],
  ["title", plain(titleCase)],
  ["capitalize", plain(capitalize)],
  ["swapcase", plain(swapCase)],
  ["casefold", plain(casefold)],
  ["islower", plain((text) => isCase(text, "lower"))],
  ["isupper", plain((text) => isCase(text, "upper"))],
  ...Array.from(characterTests, ([name, test]) => [name, plain(test)] as const),
  ["startswith", affixMethod("start")],
  ["endswith", affixMethod("end")],
  ["find", { parameters: bounded, required: 1, run: (text, args) => found(text, args, false) }],
  ["rfind", { parameters: bounded, required: 1, run: (text, args) => found(text, args, true) }],
  ["index", { parameters: bounded, required: 1, run: (text, args) => mustFind(found(text, args, false)) }],
  ["rindex", { parameters: bounded, required: 1, run: (text, args) => mustFind(found(text, args, true)) }],
  [
    "count",
    {
      parameters: bounded,
      required: 1,
      run: (text, [wanted, start, stop]) => countText(text, wanted, { start, stop }),
    },
  ],
  ["split", splitMethod("split", split)],
  ["rsplit", splitMethod("rsplit", splitFromRight)],
  [
    "splitlines",
    {
      parameters: ["keepends"],
      required: 0,
      named: true,
      run: (text, [keep = false]) => splitLines(text, truthy(keep)),
    },
  ],
  ["partition", { parameters: ["sep"], required: 1, run: (text, [mark]) => partition(text, mark, false) }],
  ["rpartition", { parameters: ["sep"], required: 1, run: (text, [mark]) => partition(text, mark, true) }],
  ["replace", { parameters: ["old", "new", "count"], required: 2, run: replaceText }],
  ["join", { parameters: ["iterable"], required: 1, run: (text, [items]) => joinItems(text, items) }],
  [
    "removeprefix",
    {
      parameters: ["prefix"],
      required: 1,
      run: (text, [affix]) => withoutPrefix(text, textArgument(affix, "removeprefix")),
    },
  ],
  [
    "removesuffix",
    {
      parameters: ["suffix"],
      required: 1,
      run: (text, [affix]) => withoutSuffix(text, textArgument(affix, "removesuffix")),
    },
  ],
  ["ljust", padMethod("ljust", "<")],
  ["rjust", padMethod("rjust", ">")],
  ["center", padMethod("center", "^")],
  [
    "zfill",
    { parameters: ["width"], required: 1, run: (text, [width]) => zeroFill(text, integerArgument(width, 0, "zfill")) },
  ],
]);

/** Methods that `str` has and that are not known here. */
const unsupportedMethods: ReadonlySet<string> = new Set([
  "encode",
  "expandtabs",
  "format_map",
  "isidentifier",
  "isprintable",
  "maketrans",
  "translate",
]);

/** A method of `str`, applied to a text. */
export type StringMethod = (text: string, args: CallArguments) => Value;

/** The method of `str` of that name; undefined where `str` has none. */
export function stringMethod(name: string, access: FieldAccess): StringMethod | undefined {
  if (name === "format") return (text, args) => braceFormat(text, args, access);
  const method = methods.get(name);
  if (method === undefined) {
    if (unsupportedMethods.has(name)) throw new UnsupportedError(`str.${name}`);
    return undefined;
  }
  const { parameters, required, named, run } = method;
  const signature = { callee: name, parameters, required, positionalOnly: named === true ? 0 : parameters.length };
  return (text, args) => run(text, bindArguments(signature, args));
}

function plain(run: (text: string) => Value): Method {
  return { parameters: [], required: 0, run: (text) => run(text) };
}

function stripMethod(callee: string, side: "left" | "right" | "both"): Method {
  return {
    parameters: ["chars"],
    required: 0,
    run: (text, [characters]) => strip(text, optionalText(characters, callee), side),
  };
}

function affixMethod(side: "start" | "end"): Method {
  return {
    parameters: bounded,
    required: 1,
    run: (text, [affix, start, stop]) => hasAffix(text, affix, { start, stop }, side),
  };
}

function splitMethod(
  callee: string,
  cut: (text: string, separator: string | undefined, limit: number) => string[],
): Method {
  return {
    parameters: ["sep", "maxsplit"],
    required: 0,
    named: true,
    run: (text, [separator, limit]) => cut(text, optionalText(separator, callee), integerArgument(limit, -1, callee)),
  };
}

function padMethod(callee: string, align: "<" | ">" | "^"): Method {
  const run = (text: string, [width, fill]: Bound): Value => {
    const wanted = integerArgument(width, 0, callee);
    if (align === "^") return center(text, wanted, textArgument(fill ?? " ", callee));
    return padField(text, { ...plainLayout, fill: textArgument(fill ?? " ", callee), width: wanted }, align);
  };
  return { parameters: ["width", "fillchar"], required: 1, run };
}

/** CPython puts the odd blank of `str.center` to the left where the width is odd, `format` always to the right. */
export function center(text: string, width: number, fill: string): string {
  const missing = width - Array.from(text).length;
  if (missing <= 0) return text;
  const before = (missing >> 1) + (missing & width & 1);
  const inner = padField(text, { ...plainLayout, fill, width: width - (missing - before) }, ">");
  return padField(inner, { ...plainLayout, fill, width }, "<");
}

function found(text: string, [wanted, start, stop]: Bound, last: boolean): number {
  return findText(text, wanted, { start, stop }, last);
}

function mustFind(at: number): number {
  if (at === -1) throw valueError("substring not found");
  return at;
}

function partition(text: string, mark: Value | undefined, last: boolean): Value {
  const separator = textArgument(mark, "partition");
  if (separator === "") throw valueError("empty separator");
  const at = last ? text.lastIndexOf(separator) : text.indexOf(separator);
  if (at === -1) return new Tuple(last ? ["", "", text] : [text, "", ""]);
  return new Tuple([text.slice(0, at), separator, text.slice(at + separator.length)]);
}

function replaceText(text: string, [old, replacement, count]: Bound): string {
  return replaceOccurrences(
    text,
    textArgument(old, "replace"),
    textArgument(replacement, "replace"),
    integerArgument(count, -1, "replace"),
  );
}

/** Python's `text.replace(old, replacement, count)`; negative: all. */
export function replaceOccurrences(text: string, old: string, replacement: string, count: number): string {
  if (old === "" && text.length > 1 && /[\ud800-\udfff]/.test(text)) throw new UnsupportedError("replace of ''");
  const pieces = text.split(old);
  const spread = old === "" ? ["", ...pieces, ""] : pieces;
  const kept = count < 0 ? spread.length - 1 : Math.min(count, spread.length - 1);
  checkTextLength(text.length + kept * replacement.length);
  return [...spread.slice(0, kept), spread.slice(kept).join(old)].join(replacement);
}

function joinItems(separator: string, items: Value | undefined): string {
  const texts = listOf(items ?? null).map((item) => {
    if (typeof item !== "string") throw typeError(`sequence item: expected str instance, ${typeName(item)} found`);
    return item;
  });
  return joinTexts(texts, separator);
}

function withoutPrefix(text: string, prefix: string): string {
  return text.startsWith(prefix) ? text.slice(prefix.length) : text;
}

function withoutSuffix(text: string, suffix: string): string {
  return suffix !== "" && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
}

function zeroFill(text: string, width: number): string {
  const sign = /^[+-]/.exec(text)?.[0] ?? "";
  return padField(text, { ...plainLayout, fill: "0", align: "=", width }, ">", sign);
}

function casefold(text: string): string {
  if (/[^\0-\x7f]/.test(text)) throw new UnsupportedError("casefold beyond ASCII");
  return lower(text);
}

import { asDouble, binaryOperation } from "../python/arithmetic.ts";
import { codePoints } from "../python/code-points.ts";
import { order } from "../python/comparison.ts";
import { PythonError, typeError, UnsupportedError } from "../python/failure.ts";
import { text } from "../python/representation.ts";
import { itemAt, iterate, lengthOf, listOf } from "../python/sequence.ts";
import { joinTexts } from "../python/text-limit.ts";
import { type CallArguments, Float, Tuple, truthy, typeName, type Value } from "../python/value.ts";
import { integerArgument } from "./argument-kinds.ts";
import { attributeGetter } from "./attribute-path.ts";
import { bindArguments } from "./callable.ts";
import type { Environment, Filter } from "./filter.ts";
import { DictView, LazyIterator, Range } from "./iterables.ts";
import { Markup } from "./markup.ts";
import { Undefined } from "./undefined.ts";

/** Filters that go through sequences (jinja2/filters.py). Those that Python writes as generators stay lazy. */
export const sequenceFilters: readonly (readonly [string, Filter])[] = [
  ["length", (value, args) => unary("length", args, lengthOf(value))],
  ["count", (value, args) => unary("count", args, lengthOf(value))],
  ["list", (value, args) => unary("list", args, listOf(value))],
  ["first", (value, args) => unary("first", args, nextOf(iterate(value), "first"))],
  ["last", (value, args, { spend }) => unary("last", args, last(value, spend))],
  ["reverse", (value, args, { spend }) => unary("reverse", args, reverse(value, spend))],
  ["items", (value, args) => unary("items", args, new LazyIterator(items(value)))],
  ["join", join],
  ["sum", sum],
  ["min", (value, args, { spend }) => extreme("min", value, args, spend)],
  ["max", (value, args, { spend }) => extreme("max", value, args, spend)],
  ["batch", batch],
  ["slice", slice],
];

function unary(callee: string, args: CallArguments, result: Value): Value {
  bindArguments({ callee, parameters: [], required: 0 }, args);
  return result;
}

function nextOf(items: Iterator<Value>, which: string): Value {
  const next = items.next();
  return next.done === true ? new Undefined(`No ${which} item, sequence was empty.`) : next.value;
}

type Spend = Environment["spend"];

function last(value: Value, spend: Spend): Value {
  const item = itemAt(value, -1);
  return item === undefined ? nextOf(reversed(value, spend), "last") : item;
}

function reverse(value: Value, spend: Spend): Value {
  if (value instanceof Markup) throw new UnsupportedError("a filter on markup");
  if (typeof value === "string") return codePoints(value).reverse().join("");
  return value instanceof LazyIterator ? listOf(value).reverse() : new LazyIterator(reversed(value, spend));
}

/** Python's `reversed(value)`: only what has a length and an order has one. */
function reversed(value: Value, spend: Spend): Iterator<Value> {
  const ordered =
    typeof value === "string" ||
    Array.isArray(value) ||
    value instanceof Tuple ||
    value instanceof Map ||
    value instanceof Range ||
    value instanceof DictView ||
    value instanceof Undefined;
  if (!ordered) throw typeError(`'${typeName(value)}' object is not reversible`);
  spend(lengthOf(value));
  return listOf(value).reverse().values();
}

function* items(value: Value): Generator<Value> {
  if (value instanceof Undefined) return;
  if (!(value instanceof Map)) throw typeError("Can only get item pairs from a mapping.");
  yield* new DictView(value, "items").iterator();
}

function join(value: Value, args: CallArguments, { spend }: Environment): Value {
  const [separator = "", attribute = null] = bindArguments(
    { callee: "join", parameters: ["d", "attribute"], required: 0 },
    args,
  );
  const get = attributeGetter(attribute);
  const texts = listOf(value).map((item) => {
    spend(1);
    return text(get(item));
  });
  return joinTexts(texts, text(separator));
}

function sum(value: Value, args: CallArguments, { spend }: Environment): Value {
  const [attribute = null, start = 0] = bindArguments(
    { callee: "sum", parameters: ["attribute", "start"], required: 0 },
    args,
  );
  if (typeof start === "string") throw typeError("sum() can't sum strings");
  const get = attributeGetter(attribute);
  let total: Value = start;
  for (const item of listOf(value)) {
    total = binaryOperation("+", total, get(item));
    spend(Array.isArray(total) ? total.length : 1);
    // Python 3.12 adds floats with compensation, earlier ones do not.
    if (total instanceof Float) throw new UnsupportedError("a sum of floats");
  }
  return total;
}

function extreme(which: "min" | "max", value: Value, args: CallArguments, spend: Spend): Value {
  const signature = { callee: which, parameters: ["case_sensitive", "attribute"], required: 0 };
  const [caseSensitive = false, attribute = null] = bindArguments(signature, args);
  const get = attributeGetter(attribute, { ignoreCase: !truthy(caseSensitive) });
  let best: { readonly item: Value; readonly key: Value } | undefined;
  for (const item of listOf(value)) {
    spend(1);
    const key = get(item);
    if (Number.isNaN(asDouble(key))) throw new UnsupportedError(`${which} of nan`);
    const better = best === undefined ? -1 : order(key, best.key, which === "min" ? "<" : ">");
    if (best === undefined || (which === "min" ? better < 0 : better > 0)) best = { item, key };
  }
  return best === undefined ? new Undefined("No aggregated item, sequence was empty.") : best.item;
}

function batch(value: Value, args: CallArguments): Value {
  const signature = { callee: "batch", parameters: ["linecount", "fill_with"], required: 1 };
  const [count, fill = null] = bindArguments(signature, args);
  const size = integerArgument(count, 0, "batch");
  return new LazyIterator(batches(value, size, fill));
}

function* batches(source: Value, size: number, fill: Value): Generator<Value> {
  let group: Value[] = [];
  for (const item of { [Symbol.iterator]: () => iterate(source) }) {
    if (group.length === size) {
      yield group;
      group = [];
    }
    group.push(item);
  }
  if (group.length === 0) return;
  if (fill !== null) while (group.length < size) group.push(fill);
  yield group;
}

function slice(value: Value, args: CallArguments): Value {
  const signature = { callee: "slice", parameters: ["slices", "fill_with"], required: 1 };
  const [count, fill = null] = bindArguments(signature, args);
  const slices = integerArgument(count, 0, "slice");
  return new LazyIterator(slicesOf(value, slices, fill));
}

function* slicesOf(value: Value, slices: number, fill: Value): Generator<Value> {
  const all = listOf(value);
  if (slices === 0) throw new PythonError("ZeroDivisionError", "integer division or modulo by zero");
  const size = Math.floor(all.length / slices);
  const longer = all.length % slices;
  for (let index = 0, from = 0; index < slices; index++) {
    const to = from + size + (index < longer ? 1 : 0);
    const part = all.slice(from, to);
    if (fill !== null && index >= longer) part.push(fill);
    yield part;
    from = to;
  }
}

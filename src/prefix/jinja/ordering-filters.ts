import { equals, order } from "../python/comparison.ts";
import { PythonError, typeError, UnsupportedError } from "../python/failure.ts";
import { iterate, listOf } from "../python/sequence.ts";
import { lower } from "../python/text-case.ts";
import { type CallArguments, isHashable, Tuple, truthy, typeName, type Value } from "../python/value.ts";
import { attributeGetter, attributesGetter } from "./attribute-path.ts";
import { bindArguments } from "./callable.ts";
import type { Environment, Filter } from "./filter.ts";
import { LazyIterator } from "./iterables.ts";

/** Filters that sort, group and remove doubles (jinja2/filters.py). */
export const orderingFilters: readonly (readonly [string, Filter])[] = [
  ["sort", sort],
  ["dictsort", sortDict],
  ["groupby", groupBy],
  ["unique", unique],
];

/** Python's stable `sorted(items, key=..., reverse=...)`. */
function sorted<Item>(
  items: readonly Item[],
  key: (item: Item) => Value,
  { spend }: Environment,
  reverse = false,
): Item[] {
  spend(items.length * Math.log2(items.length + 1));
  const keyed = items.map((item) => ({ item, key: key(item) }));
  keyed.sort((left, right) => {
    const difference = order(left.key, right.key, "<");
    if (Number.isNaN(difference)) throw new UnsupportedError("an order of nan");
    return reverse ? -difference : difference;
  });
  return keyed.map(({ item }) => item);
}

function sort(value: Value, args: CallArguments, environment: Environment): Value {
  const signature = { callee: "sort", parameters: ["reverse", "case_sensitive", "attribute"], required: 0 };
  const [reverse = false, caseSensitive = false, attribute = null] = bindArguments(signature, args);
  const key = attributesGetter(attribute, { ignoreCase: !truthy(caseSensitive) });
  return sorted(listOf(value), key, environment, truthy(reverse));
}

function sortDict(value: Value, args: CallArguments, environment: Environment): Value {
  const signature = { callee: "dictsort", parameters: ["case_sensitive", "by", "reverse"], required: 0 };
  const [caseSensitive = false, by = "key", reverse = false] = bindArguments(signature, args);
  if (by !== "key" && by !== "value") throw new PythonError("FilterArgumentError", 'by "key" or "value" only');
  if (!(value instanceof Map)) throw new PythonError("AttributeError", `'${typeName(value)}' has no attribute 'items'`);
  const key = ([name, item]: readonly [Value, Value]): Value => {
    const compared = by === "key" ? name : item;
    return typeof compared === "string" && !truthy(caseSensitive) ? lower(compared) : compared;
  };
  return sorted([...value], key, environment, truthy(reverse)).map((entry) => new Tuple(entry));
}

function groupBy(value: Value, args: CallArguments, environment: Environment): Value {
  const signature = { callee: "groupby", parameters: ["attribute", "default", "case_sensitive"], required: 1 };
  const [attribute = null, fallback = null, caseSensitive = false] = bindArguments(signature, args);
  const ignoreCase = !truthy(caseSensitive);
  const key = attributeGetter(attribute, { fallback, ignoreCase });
  const shownKey = attributeGetter(attribute, { fallback });
  const groups: { readonly key: Value; readonly members: Value[] }[] = [];
  for (const item of sorted(listOf(value), key, environment)) {
    const group = groups.at(-1);
    if (group !== undefined && equals(group.key, key(item))) group.members.push(item);
    else groups.push({ key: key(item), members: [item] });
  }
  return groups.map(({ members }) => new Tuple([shownKey(members[0] ?? null), members], ["grouper", "list"]));
}

function unique(value: Value, args: CallArguments, { spend }: Environment): Value {
  const signature = { callee: "unique", parameters: ["case_sensitive", "attribute"], required: 0 };
  const [caseSensitive = false, attribute = null] = bindArguments(signature, args);
  const key = attributeGetter(attribute, { ignoreCase: !truthy(caseSensitive) });
  return new LazyIterator(uniqueItems(value, key, spend));
}

function* uniqueItems(items: Value, key: (item: Value) => Value, spend: Environment["spend"]): Generator<Value> {
  const plain = new Set<Value>();
  const others: Value[] = [];
  for (const item of { [Symbol.iterator]: () => iterate(items) }) {
    spend(1);
    const compared = key(item);
    if (!isHashable(compared)) throw typeError(`unhashable type: '${typeName(compared)}'`);
    if (typeof compared === "string" || typeof compared === "number" || compared === null) {
      spend(others.length);
      if (plain.has(compared) || others.some((other) => equals(other, compared))) continue;
      plain.add(compared);
    } else {
      spend(plain.size + others.length);
      if ([...plain, ...others].some((other) => equals(other, compared))) continue;
      others.push(compared);
    }
    yield item;
  }
}

import { PythonError } from "../python/failure.ts";
import { iterate } from "../python/sequence.ts";
import { type CallArguments, truthy, type Value } from "../python/value.ts";
import { textArgument } from "./argument-kinds.ts";
import { attributeGetter } from "./attribute-path.ts";
import type { Environment, Filter } from "./filter.ts";
import { LazyIterator } from "./iterables.ts";

/** Filters that apply another filter or a test to each item (jinja2/filters.py). All are lazy. */
export const selectionFilters: readonly (readonly [string, Filter])[] = [
  ["map", (value, args, environment) => lazily(value, () => mapped(value, args, environment))],
  ["select", (value, args, environment) => selected(value, args, environment, true, false)],
  ["reject", (value, args, environment) => selected(value, args, environment, false, false)],
  ["selectattr", (value, args, environment) => selected(value, args, environment, true, true)],
  ["rejectattr", (value, args, environment) => selected(value, args, environment, false, true)],
];

/** A generator whose body, argument checks included, starts with the first item, and that ends at once on a false value. */
function lazily(value: Value, body: () => Generator<Value>): Value {
  return new LazyIterator(
    (function* () {
      if (truthy(value)) yield* body();
    })(),
  );
}

function* mapped(value: Value, args: CallArguments, environment: Environment): Generator<Value> {
  const convert = conversion(args, environment);
  for (const item of { [Symbol.iterator]: () => iterate(value) }) {
    environment.spend(1);
    yield convert(item);
  }
}

function conversion(args: CallArguments, environment: Environment): (item: Value) => Value {
  const [name, ...rest] = args.positional;
  const attribute = args.named.get("attribute");
  if (name === undefined && attribute !== undefined) {
    for (const key of args.named.keys()) {
      if (key !== "attribute" && key !== "default") {
        throw new PythonError("FilterArgumentError", `Unexpected keyword argument '${key}'`);
      }
    }
    return attributeGetter(attribute, { fallback: args.named.get("default") ?? null });
  }
  if (name === undefined) throw new PythonError("FilterArgumentError", "map requires a filter argument");
  const filter = textArgument(name, "map");
  return (item) => environment.callFilter(filter, item, { positional: rest, named: args.named });
}

function selected(
  value: Value,
  args: CallArguments,
  environment: Environment,
  wanted: boolean,
  byAttribute: boolean,
): Value {
  return lazily(value, function* () {
    const [attribute, ...afterAttribute] = args.positional;
    if (byAttribute && attribute === undefined) {
      throw new PythonError("FilterArgumentError", "Missing parameter for attribute name");
    }
    const get = attributeGetter(byAttribute ? (attribute ?? null) : null);
    const passes = condition(byAttribute ? afterAttribute : args.positional, args.named, environment);
    for (const item of { [Symbol.iterator]: () => iterate(value) }) {
      environment.spend(1);
      if (passes(get(item)) === wanted) yield item;
    }
  });
}

/** The test named first, applied with the arguments after it; without a name the value's truth. */
function condition(
  [name, ...rest]: readonly Value[],
  named: CallArguments["named"],
  environment: Environment,
): (item: Value) => boolean {
  if (name === undefined) return truthy;
  const test = textArgument(name, "select");
  return (item) => environment.callTest(test, item, { positional: rest, named });
}

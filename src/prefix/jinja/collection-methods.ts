import { equals, lookUp } from "../python/comparison.ts";
import { UnsupportedError, valueError } from "../python/failure.ts";
import type { CallArguments, Dict, Value } from "../python/value.ts";
import { bindArguments } from "./callable.ts";
import { DictView } from "./iterables.ts";

/** The method of `dict` of that name; undefined where there is none, or where the sandbox hides it. */
export function dictMethod(name: string): ((dict: Dict, args: CallArguments) => Value) | undefined {
  switch (name) {
    case "get":
      return (dict, args) => {
        const [key = null, fallback = null] = bindArguments(getSignature, args);
        const value = lookUp(dict, key);
        return value === undefined ? fallback : value;
      };
    case "keys":
    case "values":
    case "items":
      return (dict, args) => {
        bindArguments({ callee: name, parameters: [], required: 0 }, args);
        return new DictView(dict, name);
      };
    case "copy":
      return (dict) => new Map(dict);
    case "fromkeys":
      throw new UnsupportedError("dict.fromkeys");
    default:
      return undefined;
  }
}

const getSignature = { callee: "get", parameters: ["key", "default"], required: 1, positionalOnly: 2 };

/** Methods that change their object: the immutable sandbox makes them undefined. */
const hiddenDictMethods: readonly string[] = ["clear", "pop", "popitem", "setdefault", "update"];
const hiddenListMethods: readonly string[] = [
  "append",
  "clear",
  "extend",
  "insert",
  "pop",
  "remove",
  "reverse",
  "sort",
];

/** The sandbox makes the method undefined, because it changes its object. */
export function isHiddenMethod(of: "dict" | "list", name: string): boolean {
  return (of === "dict" ? hiddenDictMethods : hiddenListMethods).includes(name);
}

/** The method of `list` or `tuple` of that name; undefined where there is none. */
export function listMethod(
  name: string,
  of: "list" | "tuple",
): ((items: readonly Value[], args: CallArguments) => Value) | undefined {
  switch (name) {
    case "index":
      return (items, args) => {
        const [wanted = null, start, stop] = bindArguments(indexSignature, args);
        if (start !== undefined || stop !== undefined) throw new UnsupportedError("bounds of list.index");
        const at = items.findIndex((item) => equals(item, wanted));
        if (at === -1) throw valueError("value is not in list");
        return at;
      };
    case "count":
      return (items, args) => {
        const [wanted = null] = bindArguments({ callee: name, parameters: ["value"], required: 1 }, args);
        return items.filter((item) => equals(item, wanted)).length;
      };
    case "copy":
      return of === "list" ? (items) => [...items] : undefined;
    default:
      return undefined;
  }
}

const indexSignature = { callee: "index", parameters: ["value", "start", "stop"], required: 1, positionalOnly: 3 };

/** Attributes that numbers have and templates hardly ask for. */
export function isNumberAttribute(name: string): boolean {
  return [
    "as_integer_ratio",
    "bit_count",
    "bit_length",
    "conjugate",
    "denominator",
    "from_bytes",
    "fromhex",
    "hex",
    "imag",
    "is_integer",
    "numerator",
    "real",
    "to_bytes",
  ].includes(name);
}

import { typeError, UnsupportedError } from "./failure.ts";

/**
 * Python values as chat templates see them. `int` is a number inside the safe integers and a bigint outside, `float`
 * is always a Float, `str` a string, `list` an array, `dict` a Map (which keeps Python's order: first place, last
 * value), `None` null.
 */
export type Value = null | boolean | string | number | bigint | Float | Value[] | Tuple | Dict | PythonObject;

/** A `dict`. Keys that are not strings come only from literals inside templates. */
export type Dict = Map<DictKey, Value>;
/** A key of a `dict`. */
export type DictKey = string | number | null;

/** A `float`: JavaScript's number cannot tell 1.0 from 1. */
export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** A `tuple`, also a named one where `fieldNames` is given. */
export class Tuple {
  readonly items: readonly Value[];
  readonly fieldNames: readonly string[];
  constructor(items: readonly Value[], fieldNames: readonly string[] = []) {
    this.items = items;
    this.fieldNames = fieldNames;
  }
}

/** The arguments of a call, as Python passes them. */
export type CallArguments = {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
};

/** Any other Python object: loop context, macro, method, iterator, undefined. Its defaults are those of `object`. */
export abstract class PythonObject {
  abstract readonly typeName: string;

  truthy(): boolean {
    return true;
  }

  /** Python's `repr()`. */
  repr(): string {
    throw new UnsupportedError(`the text of a ${this.typeName} holds a memory address`);
  }

  /** Python's `str()`. */
  text(): string {
    return this.repr();
  }

  /** The attribute of that name; undefined where Python raises AttributeError. */
  attribute(_name: string): Value | undefined {
    return undefined;
  }

  /** `self[key]`; undefined where Python raises TypeError or LookupError. */
  item(_key: Value): Value | undefined {
    return undefined;
  }

  /** Python's `iter()`; undefined where the object is not iterable. */
  iterator(): Iterator<Value> | undefined {
    return undefined;
  }

  /** Python's `len()`; undefined where the object has none. */
  length(): number | undefined {
    return undefined;
  }

  equals(other: Value): boolean {
    return this === other;
  }

  /** What JSON holds in its place, for subclasses of `str`; undefined where it cannot be serialised. */
  jsonText(): string | undefined {
    return undefined;
  }

  /** Why it cannot be an operand of `symbol`, like `+`. */
  operandFailure(symbol: string): Error {
    return typeError(`unsupported operand type(s) for ${symbol}: '${this.typeName}'`);
  }

  readonly callable: boolean = false;

  call(_args: CallArguments): Value {
    throw typeError(`'${this.typeName}' object is not callable`);
  }
}

/** An integer in its one representation: number where it is safe, bigint elsewhere. */
export function integer(value: bigint): number | bigint {
  const narrow = Number(value);
  return Number.isSafeInteger(narrow) ? narrow : value;
}

/** Python's name of a value's type, for error messages. */
export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "string") return "str";
  if (typeof value === "number" || typeof value === "bigint") return "int";
  if (value instanceof Float) return "float";
  if (Array.isArray(value)) return "list";
  if (value instanceof Map) return "dict";
  return value instanceof Tuple ? "tuple" : value.typeName;
}

/** Python's truth of a value. */
export function truthy(value: Value): boolean {
  if (value === null || typeof value === "boolean") return value === true;
  if (typeof value === "string") return value !== "";
  if (typeof value === "number") return value !== 0;
  if (typeof value === "bigint") return true;
  if (value instanceof Float) return value.value !== 0;
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Map) return value.size > 0;
  return value instanceof Tuple ? value.items.length > 0 : value.truthy();
}

/** Python can hash it: it is no list or dict, and no tuple that holds one. */
export function isHashable(value: Value): boolean {
  const parts = new Set([value]);
  for (const part of parts) {
    if (Array.isArray(part) || part instanceof Map) return false;
    if (part instanceof Tuple) for (const item of part.items) parts.add(item);
  }
  return true;
}

/** A value as a dict key. Keys Python unites across types (1, 1.0, True) are not supported. */
export function dictKey(value: Value): DictKey {
  if (value === null || typeof value === "string" || typeof value === "number") return value;
  if (!isHashable(value)) throw typeError(`unhashable type: '${typeName(value)}'`);
  throw new UnsupportedError(`a ${typeName(value)} as a dict key`);
}

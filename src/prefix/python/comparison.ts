import { compareText } from "./code-points.ts";
import { BudgetError, typeError, UnsupportedError } from "./failure.ts";
import { iterate } from "./sequence.ts";
import { type Dict, Float, isHashable, PythonObject, Tuple, typeName, type Value } from "./value.ts";

/** A number or boolean as a JavaScript number or bigint, which compare exactly with each other. */
function numeric(value: Value): number | bigint | undefined {
  if (typeof value === "number" || typeof value === "bigint") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  return value instanceof Float ? value.value : undefined;
}

/** Counts the comparisons inside one: nested lists that share parts can hold far more than memory. */
export class ComparisonTally {
  count = 0;

  step(): void {
    if (++this.count > maxComparisons) throw new BudgetError("a comparison of too much");
  }
}

const maxComparisons = 1_000_000;

/** Python's `left == right`. */
export function equals(left: Value, right: Value, tally = new ComparisonTally()): boolean {
  tally.step();
  if (left === right) return !(left instanceof Float && Number.isNaN(left.value));
  if (left instanceof PythonObject) return left.equals(right);
  if (right instanceof PythonObject) return right.equals(left);
  const leftNumber = numeric(left);
  if (leftNumber !== undefined) {
    const rightNumber = numeric(right);
    // biome-ignore lint/suspicious/noDoubleEquals: a number and a bigint of the same value are equal.
    return rightNumber !== undefined && leftNumber == rightNumber;
  }
  if (Array.isArray(left)) return Array.isArray(right) && sameItems(left, right, tally);
  if (left instanceof Tuple) return right instanceof Tuple && sameItems(left.items, right.items, tally);
  return left instanceof Map && right instanceof Map && sameEntries(left, right, tally);
}

function sameItems(left: readonly Value[], right: readonly Value[], tally: ComparisonTally): boolean {
  if (left.length !== right.length) return false;
  return left.every((item, index) => identicalOrEqual(item, right[index] ?? null, tally));
}

function sameEntries(left: Dict, right: Dict, tally: ComparisonTally): boolean {
  if (left.size !== right.size) return false;
  for (const [key, value] of left) {
    const other = right.get(key);
    if (other === undefined || !identicalOrEqual(value, other, tally)) return false;
  }
  return true;
}

/** Containers take an object as equal to itself even where it is not (NaN). */
function identicalOrEqual(left: Value, right: Value, tally: ComparisonTally): boolean {
  return left === right || equals(left, right, tally);
}

/** Python's order of two values: negative, zero, positive, or NaN where none holds. Throws PythonError (TypeError). */
export function order(left: Value, right: Value, symbol: string, tally = new ComparisonTally()): number {
  tally.step();
  const leftNumber = numeric(left);
  const rightNumber = numeric(right);
  if (leftNumber !== undefined && rightNumber !== undefined) {
    if (leftNumber < rightNumber) return -1;
    if (leftNumber > rightNumber) return 1;
    // biome-ignore lint/suspicious/noDoubleEquals: a number and a bigint of the same value are equal.
    return leftNumber == rightNumber ? 0 : Number.NaN;
  }
  if (typeof left === "string" && typeof right === "string") return compareText(left, right);
  if (Array.isArray(left) && Array.isArray(right)) return itemOrder(left, right, symbol, tally);
  if (left instanceof Tuple && right instanceof Tuple) return itemOrder(left.items, right.items, symbol, tally);
  if (left instanceof PythonObject) throw left.operandFailure(symbol);
  if (right instanceof PythonObject) throw right.operandFailure(symbol);
  throw typeError(`'${symbol}' not supported between instances of '${typeName(left)}' and '${typeName(right)}'`);
}

function itemOrder(left: readonly Value[], right: readonly Value[], symbol: string, tally: ComparisonTally): number {
  for (const [index, item] of left.entries()) {
    const other = right[index];
    if (other === undefined) break;
    if (!identicalOrEqual(item, other, tally)) return order(item, other, symbol, tally);
  }
  return left.length - right.length;
}

/** Python's `item in container`. */
export function contains(container: Value, item: Value, tally = new ComparisonTally()): boolean {
  if (typeof container === "string") {
    if (typeof item === "string") return container.includes(item);
    if (item instanceof PythonObject && item.jsonText() !== undefined) throw new UnsupportedError("markup in str");
    throw typeError(`'in <string>' requires string as left operand, not ${typeName(item)}`);
  }
  if (container instanceof Map) return lookUp(container, item) !== undefined;
  if (Array.isArray(container)) return container.some((member) => identicalOrEqual(member, item, tally));
  if (container === null || typeof container !== "object" || container instanceof Float) {
    throw typeError(`argument of type '${typeName(container)}' is not iterable`);
  }
  // Not a for-of loop: leaving one early would close a generator that Python leaves open behind the match.
  const members = iterate(container);
  for (let next = members.next(); next.done !== true; next = members.next()) {
    if (identicalOrEqual(next.value, item, tally)) return true;
  }
  return false;
}

/** The value under a key; undefined where there is none. Throws PythonError for a key that cannot be hashed. */
export function lookUp(dict: Dict, key: Value): Value | undefined {
  if (key === null || typeof key === "string" || typeof key === "number") return dict.get(key);
  if (!isHashable(key)) throw typeError(`unhashable type: '${typeName(key)}'`);
  const number = numeric(key);
  if (number !== undefined) return dict.get(Number(number));
  const text = key instanceof PythonObject ? key.jsonText() : undefined;
  return text === undefined ? undefined : dict.get(text);
}

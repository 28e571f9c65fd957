import { BudgetError, PythonError, typeError, UnsupportedError } from "./failure.ts";
import { percentFormat } from "./percent-format.ts";
import { checkTextLength } from "./text-limit.ts";
import { Float, integer, PythonObject, Tuple, typeName, type Value } from "./value.ts";

/** The operators of Python that templates have. */
export type BinaryOperator = "+" | "-" | "*" | "/" | "//" | "%" | "**";

/** Longest list that an operation may make. */
const maxListLength = 1 << 20;
const maxInteger = 1n << 16384n;

type Integer = number | bigint;

/** Python's `left operator right`. Throws PythonError where Python raises. */
export function binaryOperation(operator: BinaryOperator, left: Value, right: Value): Value {
  const result = numberOperation(operator, left, right) ?? sequenceOperation(operator, left, right);
  if (result !== undefined) return result;
  if (left instanceof PythonObject) throw left.operandFailure(operator);
  if (right instanceof PythonObject) throw right.operandFailure(operator);
  if (operator === "+" && typeof left === "string") {
    throw typeError(`can only concatenate str (not "${typeName(right)}") to str`);
  }
  throw typeError(`unsupported operand type(s) for ${operator}: '${typeName(left)}' and '${typeName(right)}'`);
}

/** Python's `-value` or `+value`. */
export function signed(value: Value, sign: "-" | "+"): Value {
  if (value instanceof Float) return sign === "-" ? new Float(-value.value) : value;
  const whole = asInteger(value);
  if (whole !== undefined) return sign === "-" ? integer(-BigInt(whole)) : whole;
  if (value instanceof PythonObject) throw value.operandFailure(`unary ${sign}`);
  throw typeError(`bad operand type for unary ${sign}: '${typeName(value)}'`);
}

/** An `int` or `bool` as its number. */
export function asInteger(value: Value): Integer | undefined {
  if (typeof value === "number" || typeof value === "bigint") return value;
  return typeof value === "boolean" ? Number(value) : undefined;
}

/** An `int`, `bool` or `float` as a double. */
export function asDouble(value: Value): number | undefined {
  if (value instanceof Float) return value.value;
  const whole = asInteger(value);
  if (whole === undefined) return undefined;
  const double = Number(whole);
  if (!Number.isFinite(double)) throw new PythonError("OverflowError", "int too large to convert to float");
  return double;
}

function numberOperation(operator: BinaryOperator, left: Value, right: Value): Value | undefined {
  const leftInteger = asInteger(left);
  const rightInteger = asInteger(right);
  if (leftInteger !== undefined && rightInteger !== undefined) {
    return integerOperation(operator, leftInteger, rightInteger);
  }
  const leftDouble = asDouble(left);
  const rightDouble = asDouble(right);
  if (leftDouble === undefined || rightDouble === undefined) return undefined;
  return new Float(floatOperation(operator, leftDouble, rightDouble));
}

function integerOperation(operator: BinaryOperator, left: Integer, right: Integer): Value {
  if (typeof left === "number" && typeof right === "number") {
    const result = operator === "+" ? left + right : operator === "-" ? left - right : Number.NaN;
    if (Number.isSafeInteger(result)) return result;
  }
  switch (operator) {
    case "+":
      return integer(BigInt(left) + BigInt(right));
    case "-":
      return integer(BigInt(left) - BigInt(right));
    case "*":
      return boundedInteger(BigInt(left) * BigInt(right));
    case "/":
      refuseZero(right);
      if (typeof left === "bigint" || typeof right === "bigint") throw new UnsupportedError("/ of big integers");
      return new Float(left / right);
    case "//":
      refuseZero(right);
      return integer((BigInt(left) - floorModulo(BigInt(left), BigInt(right))) / BigInt(right));
    case "%":
      refuseZero(right);
      return integer(floorModulo(BigInt(left), BigInt(right)));
    case "**":
      return integerPower(left, right);
  }
}

/** The remainder with the divisor's sign. */
function floorModulo(left: bigint, right: bigint): bigint {
  const remainder = left % right;
  return remainder !== 0n && remainder < 0n !== right < 0n ? remainder + right : remainder;
}

function integerPower(base: Integer, exponent: Integer): Value {
  refuseNegativeBase(base);
  if (exponent < 0) {
    refuseZero(base, "0.0 cannot be raised to a negative power");
    return new Float(Number(base) ** Number(exponent));
  }
  const bits = Math.log2(Number(base)) * Number(exponent);
  if (bits > 16384) throw new BudgetError("an integer too large");
  return integer(BigInt(base) ** BigInt(exponent));
}

function boundedInteger(value: bigint): Value {
  if (value > maxInteger || value < -maxInteger) throw new BudgetError("an integer too large");
  return integer(value);
}

function floatPower(base: number, exponent: number): number {
  if (exponent < 0) refuseZero(base, "0.0 cannot be raised to a negative power");
  refuseNegativeBase(base);
  const result = base ** exponent;
  if (!Number.isFinite(result) && Number.isFinite(base) && Number.isFinite(exponent)) {
    throw new PythonError("OverflowError", "Numerical result out of range");
  }
  return result;
}

/** jinja2 writes a constant base into Python source without parentheses, so that `-1 ** 2` binds otherwise there. */
function refuseNegativeBase(base: Integer): void {
  if (base < 0) throw new UnsupportedError("a power of a negative number");
}

function floatOperation(operator: BinaryOperator, left: number, right: number): number {
  switch (operator) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "/":
      refuseZero(right, "float division by zero");
      return left / right;
    case "//":
      return floatDivision(left, right).quotient;
    case "%":
      return floatDivision(left, right).remainder;
    case "**":
      return floatPower(left, right);
  }
}

/** Quotient and remainder as CPython's `float_divmod` computes them. */
function floatDivision(left: number, right: number): { quotient: number; remainder: number } {
  refuseZero(right, "float floor division by zero");
  let remainder = left % right;
  let quotient = (left - remainder) / right;
  if (remainder === 0) remainder = right < 0 ? -0 : 0;
  else if (right < 0 !== remainder < 0) {
    remainder += right;
    quotient -= 1;
  }
  if (quotient === 0) return { quotient: left / right < 0 || Object.is(left / right, -0) ? -0 : 0, remainder };
  const floored = Math.floor(quotient);
  return { quotient: quotient - floored > 0.5 ? floored + 1 : floored, remainder };
}

function refuseZero(divisor: Integer, message = "division by zero"): void {
  if (Number(divisor) === 0) throw new PythonError("ZeroDivisionError", message);
}

function sequenceOperation(operator: BinaryOperator, left: Value, right: Value): Value | undefined {
  if (operator === "+") {
    if (typeof left === "string" && typeof right === "string") return joined(left, right);
    if (Array.isArray(left) && Array.isArray(right)) return bounded([...left, ...right]);
    if (left instanceof Tuple && right instanceof Tuple) return new Tuple(bounded([...left.items, ...right.items]));
  }
  if (operator === "*") return repeated(left, right) ?? repeated(right, left);
  if (operator === "%" && typeof left === "string") return percentFormat(left, right);
  return undefined;
}

function joined(left: string, right: string): string {
  checkTextLength(left.length + right.length);
  return left + right;
}

function repeated(sequence: Value, times: Value): Value | undefined {
  const count = asInteger(times);
  if (count === undefined) return undefined;
  const repetitions = Math.max(Number(count), 0);
  if (typeof sequence === "string") {
    checkTextLength(sequence.length * repetitions);
    return sequence === "" ? "" : sequence.repeat(repetitions);
  }
  if (Array.isArray(sequence)) return repeatedItems(sequence, repetitions);
  return sequence instanceof Tuple ? new Tuple(repeatedItems(sequence.items, repetitions)) : undefined;
}

function repeatedItems(items: readonly Value[], repetitions: number): Value[] {
  const length = items.length * repetitions;
  if (length > maxListLength) throw new BudgetError("a list too long");
  return Array.from({ length }, (_, index) => items[index % items.length] ?? null);
}

function bounded(items: Value[]): Value[] {
  if (items.length > maxListLength) throw new BudgetError("a list too long");
  return items;
}

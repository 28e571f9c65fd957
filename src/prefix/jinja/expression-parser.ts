import type { BinaryOperator } from "../python/arithmetic.ts";
import { parseArguments } from "./argument-parser.ts";
import { constantNames } from "./constant-names.ts";
import { parseSubscript } from "./subscript-parser.ts";
import type { ArgumentList, Comparison, ComparisonOperator, Expression, FilterExpression } from "./syntax.ts";
import type { TokenStream } from "./token-stream.ts";

/**
 * One expression of jinja2 3.1; without `conditional`, an inline `if` ends it. The functions below are in the order of
 * precedence, lowest first.
 */
export function parseExpression(stream: TokenStream, conditional = true): Expression {
  return stream.nested(() => (conditional ? parseConditional(stream) : parseOr(stream)));
}

function parseConditional(stream: TokenStream): Expression {
  let value = parseOr(stream);
  while (stream.skipName("if")) {
    const test = parseOr(stream);
    const otherwise = stream.skipName("else") ? stream.nested(() => parseConditional(stream)) : undefined;
    value = { kind: "conditional", test, value, otherwise };
  }
  return value;
}

function parseOr(stream: TokenStream): Expression {
  let left = parseAnd(stream);
  while (stream.skipName("or")) left = { kind: "or", left, right: parseAnd(stream) };
  return left;
}

function parseAnd(stream: TokenStream): Expression {
  let left = parseNot(stream);
  while (stream.skipName("and")) left = { kind: "and", left, right: parseNot(stream) };
  return left;
}

function parseNot(stream: TokenStream): Expression {
  if (!stream.skipName("not")) return parseComparison(stream);
  return { kind: "not", operand: stream.nested(() => parseNot(stream)) };
}

const comparisonOperators: readonly string[] = ["==", "!=", "<", "<=", ">", ">="] satisfies ComparisonOperator[];

function parseComparison(stream: TokenStream): Expression {
  const first = parseSum(stream);
  const rest: Comparison[] = [];
  for (;;) {
    if (stream.isOperator(...comparisonOperators)) {
      rest.push({ operator: stream.next().text as ComparisonOperator, operand: parseSum(stream) });
    } else if (stream.skipName("in")) {
      rest.push({ operator: "in", operand: parseSum(stream) });
    } else if (stream.isName("not") && stream.following.type === "name" && stream.following.text === "in") {
      stream.next();
      stream.next();
      rest.push({ operator: "not in", operand: parseSum(stream) });
    } else {
      return rest.length === 0 ? first : { kind: "compare", first, rest };
    }
  }
}

function parseSum(stream: TokenStream): Expression {
  return parseBinary(stream, ["+", "-"], parseConcat);
}

function parseConcat(stream: TokenStream): Expression {
  const parts = [parseProduct(stream)];
  while (stream.skipOperator("~")) parts.push(parseProduct(stream));
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: "concat", parts };
}

function parseProduct(stream: TokenStream): Expression {
  return parseBinary(stream, ["*", "/", "//", "%"], parsePower);
}

function parsePower(stream: TokenStream): Expression {
  return parseBinary(stream, ["**"], (operands) => parseUnary(operands, true));
}

function parseBinary(
  stream: TokenStream,
  operators: readonly BinaryOperator[],
  parseOperand: (stream: TokenStream) => Expression,
): Expression {
  let left = parseOperand(stream);
  while (stream.isOperator(...operators)) {
    const operator = stream.next().text as BinaryOperator;
    left = { kind: "binary", operator, left, right: parseOperand(stream) };
  }
  return left;
}

function parseUnary(stream: TokenStream, withFilters: boolean): Expression {
  let expression: Expression;
  if (stream.isOperator("-", "+")) {
    const sign = stream.next().text === "-" ? "-" : "+";
    expression = { kind: "signed", sign, operand: stream.nested(() => parseUnary(stream, false)) };
  } else {
    expression = parsePrimary(stream);
  }
  expression = parsePostfix(stream, expression);
  return withFilters ? parseFilters(stream, expression) : expression;
}

function parsePrimary(stream: TokenStream): Expression {
  const token = stream.current;
  if (token.type === "name") {
    stream.next();
    const constant = constantNames.get(token.text);
    return constant === undefined ? { kind: "name", name: token.text } : { kind: "constant", value: constant };
  }
  if (token.type === "literal") return parseLiteral(stream);
  if (stream.skipOperator("(")) {
    const inner = parseTuple(stream, { parenthesized: true });
    stream.expect("operator", ")");
    return inner;
  }
  if (stream.skipOperator("[")) return parseList(stream);
  if (stream.skipOperator("{")) return parseDict(stream);
  throw stream.failure(`unexpected ${token.text === "" ? token.type : `'${token.text}'`}`);
}

/** Adjacent strings are one. */
function parseLiteral(stream: TokenStream): Expression {
  let { value = null } = stream.next();
  if (typeof value === "string") {
    while (stream.current.type === "literal" && typeof stream.current.value === "string") {
      value += stream.next().value;
    }
  }
  return { kind: "constant", value };
}

function parseList(stream: TokenStream): Expression {
  const items: Expression[] = [];
  while (!stream.isOperator("]")) {
    if (items.length > 0) stream.expect("operator", ",");
    if (stream.isOperator("]")) break;
    items.push(parseExpression(stream));
  }
  stream.expect("operator", "]");
  return { kind: "list", items };
}

function parseDict(stream: TokenStream): Expression {
  const entries: (readonly [Expression, Expression])[] = [];
  while (!stream.isOperator("}")) {
    if (entries.length > 0) stream.expect("operator", ",");
    if (stream.isOperator("}")) break;
    const key = parseExpression(stream);
    stream.expect("operator", ":");
    entries.push([key, parseExpression(stream)]);
  }
  stream.expect("operator", "}");
  return { kind: "dict", entries };
}

type TupleOptions = {
  readonly conditional?: boolean;
  /** An empty tuple is allowed. */
  readonly parenthesized?: boolean;
  /** A name that ends the tuple. */
  readonly endName?: string;
};

/** One expression, or a tuple where commas follow. */
export function parseTuple(stream: TokenStream, options: TupleOptions = {}): Expression {
  const items: Expression[] = [];
  let isTuple = false;
  for (;;) {
    if (items.length > 0) stream.expect("operator", ",");
    if (isTupleEnd(stream, options.endName)) break;
    items.push(parseExpression(stream, options.conditional));
    if (!stream.isOperator(",")) break;
    isTuple = true;
  }
  const [only] = items;
  if (!isTuple && only !== undefined) return only;
  if (!isTuple && options.parenthesized !== true) throw stream.failure("expected an expression");
  return { kind: "tuple", items };
}

function isTupleEnd(stream: TokenStream, endName: string | undefined): boolean {
  const { type } = stream.current;
  if (type === "variableEnd" || type === "blockEnd" || stream.isOperator(")")) return true;
  return endName !== undefined && stream.isName(endName);
}

/** Subscripts, attributes and calls after an expression. */
function parsePostfix(stream: TokenStream, expression: Expression): Expression {
  for (;;) {
    if (stream.isOperator(".", "[")) expression = parseSubscript(stream, expression, parseExpression);
    else if (stream.isOperator("(")) expression = parseCall(stream, expression);
    else return expression;
  }
}

function parseFilters(stream: TokenStream, expression: Expression): Expression {
  for (;;) {
    if (stream.isOperator("|")) expression = parseFilter(stream, expression);
    else if (stream.isName("is")) expression = parseTest(stream, expression);
    else if (stream.isOperator("(")) expression = parseCall(stream, expression);
    else return expression;
  }
}

function parseCall(stream: TokenStream, target: Expression): Expression {
  return { kind: "call", target, args: parseArguments(stream, parseExpression) };
}

/** A filter and its arguments; the stream is at `|`, or at the name itself for the first one of a filter block. */
export function parseFilter(stream: TokenStream, target: Expression | undefined): FilterExpression {
  stream.skipOperator("|");
  const name = parseDottedName(stream);
  const args = stream.isOperator("(") ? parseArguments(stream, parseExpression) : noArguments;
  return { kind: "filter", target, name, args };
}

const noArguments: ArgumentList = { positional: [], named: [], spread: undefined, namedSpread: undefined };

function parseTest(stream: TokenStream, target: Expression): Expression {
  stream.next();
  const negated = stream.skipName("not");
  const name = parseDottedName(stream);
  const test: Expression = { kind: "test", target, name, args: parseTestArguments(stream) };
  return negated ? { kind: "not", operand: test } : test;
}

function parseTestArguments(stream: TokenStream): ArgumentList {
  if (stream.isOperator("(")) return parseArguments(stream, parseExpression);
  const { type } = stream.current;
  const bare =
    (type === "name" && !stream.isName("else", "or", "and")) || type === "literal" || stream.isOperator("[", "{");
  if (!bare) return noArguments;
  if (stream.isName("is")) throw stream.failure("tests with 'is' cannot be chained");
  return { ...noArguments, positional: [stream.nested(() => parsePostfix(stream, parsePrimary(stream)))] };
}

function parseDottedName(stream: TokenStream): string {
  let name = stream.expect("name").text;
  while (stream.skipOperator(".")) name += `.${stream.expect("name").text}`;
  return name;
}

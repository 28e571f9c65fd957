import { binaryOperation, signed } from "../python/arithmetic.ts";
import { ComparisonTally, contains, equals, order } from "../python/comparison.ts";
import { text } from "../python/representation.ts";
import { sliceOf } from "../python/sequence.ts";
import { type Dict, dictKey, Tuple, truthy, type Value } from "../python/value.ts";
import { compileArguments } from "./argument-compiler.ts";
import { getAttribute, getItem } from "./attributes.ts";
import { compileCall } from "./call-compiler.ts";
import type { Evaluate } from "./evaluate.ts";
import type { Activation } from "./run.ts";
import type { Scope } from "./scope.ts";
import { sliceBound } from "./slice-bound.ts";
import type { Comparison, Expression, FilterExpression } from "./syntax.ts";
import { Undefined } from "./undefined.ts";
import { compileName } from "./variables.ts";

/** Compiles an expression of a scope whose names are analysed. */
export function compileExpression(scope: Scope, expression: Expression): Evaluate {
  const compile = (part: Expression): Evaluate => compileExpression(scope, part);
  switch (expression.kind) {
    case "name":
      return compileName(scope, expression.name);
    case "constant": {
      const { value } = expression;
      return () => value;
    }
    case "tuple": {
      const items = expression.items.map(compile);
      return (activation) => new Tuple(items.map((item) => item(activation)));
    }
    case "list": {
      const items = expression.items.map(compile);
      return (activation) => items.map((item) => item(activation));
    }
    case "dict":
      return compileDict(expression.entries.map(([key, value]) => [compile(key), compile(value)]));
    case "attribute": {
      const target = compile(expression.target);
      const { name } = expression;
      return (activation) => getAttribute(searched(activation, target(activation)), name);
    }
    case "item": {
      const target = compile(expression.target);
      const key = compile(expression.key);
      return (activation) => getItem(searched(activation, target(activation)), key(activation));
    }
    case "slice":
      return compileSlice(scope, expression);
    case "call":
      return compileCall(compile, expression);
    case "filter": {
      const filtered = compileFilter(scope, expression);
      return (activation) => filtered(activation, "");
    }
    case "test":
      return compileTest(compile, expression);
    case "not": {
      const operand = compile(expression.operand);
      return (activation) => !truthy(operand(activation));
    }
    case "and":
    case "or":
      return compileLogic(expression.kind, compile(expression.left), compile(expression.right));
    case "compare":
      return compileComparison(compile, expression.first, expression.rest);
    case "binary":
      return compileBinary(expression.operator, compile(expression.left), compile(expression.right));
    case "signed": {
      const operand = compile(expression.operand);
      return (activation) => signed(operand(activation), expression.sign);
    }
    case "concat":
      return compileConcat(expression.parts.map(compile));
    case "conditional":
      return compileConditional(compile, expression);
  }
}

/** Pays for looking through a text: for its characters, or by the method that is about to be called. */
function searched(activation: Activation, value: Value): Value {
  activation.run.spendOnSearch(value);
  return value;
}

/** Items of a list that are copied in the time of one step. */
const itemsCopiedPerStep = 16;

type Compile = (expression: Expression) => Evaluate;
type Of<Kind> = Extract<Expression, { kind: Kind }>;

function compileDict(entries: readonly (readonly [Evaluate, Evaluate])[]): Evaluate {
  return (activation) => {
    const dict: Dict = new Map();
    for (const [key, value] of entries) {
      const evaluatedKey = key(activation);
      const evaluatedValue = value(activation);
      dict.set(dictKey(evaluatedKey), evaluatedValue);
    }
    return dict;
  };
}

function compileSlice(scope: Scope, { target, bounds }: Of<"slice">): Evaluate {
  const sliced = compileExpression(scope, target);
  const bound = (expression: Expression | undefined): ((value: Parameters<Evaluate>[0]) => number | undefined) => {
    if (expression === undefined) return () => undefined;
    const evaluate = compileExpression(scope, expression);
    return (activation) => sliceBound(evaluate(activation));
  };
  const [start, stop, step] = [bound(bounds.start), bound(bounds.stop), bound(bounds.step)];
  return (activation) => {
    const value = sliced(activation);
    activation.run.spendOnSearch(value);
    const result = sliceOf(value, { start: start(activation), stop: stop(activation), step: step(activation) });
    activation.run.spend(Array.isArray(result) ? result.length / itemsCopiedPerStep : 0);
    return result;
  };
}

/** Compiles a filter, or a chain of them. A chain that starts without a target filters `block`. */
export function compileFilter(
  scope: Scope,
  { name, target, args: list }: FilterExpression,
): (activation: Activation, block: Value) => Value {
  const subject = compileFiltered(scope, target);
  const args = compileArguments((expression) => compileExpression(scope, expression), list);
  return (activation, block) => {
    const value = subject(activation, block);
    activation.run.spendOnSearch(value);
    const result = activation.run.environment.callFilter(name, value, args(activation));
    activation.run.spendOnResult(result);
    return result;
  };
}

function compileFiltered(
  scope: Scope,
  target: Expression | undefined,
): (activation: Activation, block: Value) => Value {
  if (target === undefined) return (_, block) => block;
  return target.kind === "filter" ? compileFilter(scope, target) : compileExpression(scope, target);
}

function compileTest(compile: Compile, { target, name, args: list }: Of<"test">): Evaluate {
  const value = compile(target);
  const args = compileArguments(compile, list);
  return (activation) => {
    const tested = value(activation);
    activation.run.spendOnSearch(tested);
    return activation.run.environment.callTest(name, tested, args(activation));
  };
}

function compileLogic(kind: "and" | "or", left: Evaluate, right: Evaluate): Evaluate {
  return (activation) => {
    const value = left(activation);
    return truthy(value) === (kind === "and") ? right(activation) : value;
  };
}

function compileComparison(compile: Compile, first: Expression, rest: readonly Comparison[]): Evaluate {
  const start = compile(first);
  const steps = rest.map(({ operator, operand }) => ({ holds: comparisons[operator], operand: compile(operand) }));
  return (activation) => {
    let left = start(activation);
    for (const { holds, operand } of steps) {
      const right = operand(activation);
      activation.run.spendOnSearch(right);
      const tally = new ComparisonTally();
      const held = holds(left, right, tally);
      activation.run.spend(tally.count);
      if (!held) return false;
      left = right;
    }
    return true;
  };
}

type Holds = (left: Value, right: Value, tally: ComparisonTally) => boolean;

const comparisons: Readonly<Record<Comparison["operator"], Holds>> = {
  "==": equals,
  "!=": (left, right, tally) => !equals(left, right, tally),
  "<": (left, right, tally) => order(left, right, "<", tally) < 0,
  "<=": (left, right, tally) => order(left, right, "<=", tally) <= 0,
  ">": (left, right, tally) => order(left, right, ">", tally) > 0,
  ">=": (left, right, tally) => order(left, right, ">=", tally) >= 0,
  in: (left, right, tally) => contains(right, left, tally),
  "not in": (left, right, tally) => !contains(right, left, tally),
};

function compileBinary(operator: Of<"binary">["operator"], left: Evaluate, right: Evaluate): Evaluate {
  return (activation) => {
    const result = binaryOperation(operator, left(activation), right(activation));
    activation.run.spendOnResult(result);
    return result;
  };
}

function compileConcat(parts: readonly Evaluate[]): Evaluate {
  return (activation) => {
    const values = parts.map((part) => part(activation));
    const result = values.map(text).reduce((joined, part) => String(binaryOperation("+", joined, part)), "");
    activation.run.spendOnResult(result);
    return result;
  };
}

function compileConditional(compile: Compile, { test, value, otherwise }: Of<"conditional">): Evaluate {
  const condition = compile(test);
  const whenTrue = compile(value);
  const whenFalse: Evaluate =
    otherwise === undefined
      ? () => new Undefined("the inline if-expression evaluated to false and no else section was defined.")
      : compile(otherwise);
  return (activation) => (truthy(condition(activation)) ? whenTrue(activation) : whenFalse(activation));
}

import { typeError } from "../python/failure.ts";
import { PythonObject, typeName, type Value } from "../python/value.ts";
import { compileArguments } from "./argument-compiler.ts";
import type { Evaluate } from "./evaluate.ts";
import type { Activation } from "./run.ts";
import type { CallExpression, Expression } from "./syntax.ts";

/** Compiles a call; `caller` gives the block that a call block hands to its callee. */
export function compileCall(
  compile: (expression: Expression) => Evaluate,
  { target, args: list }: CallExpression,
  caller?: (activation: Activation) => Value,
): Evaluate {
  const callee = compile(target);
  const args = compileArguments(compile, list);
  return (activation) => {
    const called = callee(activation);
    const given = args(activation);
    if (!(called instanceof PythonObject)) throw typeError(`'${typeName(called)}' object is not callable`);
    const named = caller === undefined ? given.named : new Map([...given.named, ["caller", caller(activation)]]);
    const { run } = activation;
    run.spend(1);
    const result = run.deeper(() => called.call({ positional: given.positional, named }));
    run.spendOnResult(result);
    return result;
  };
}

import { typeError } from "../python/failure.ts";
import { type CallArguments, PythonObject, type Value } from "../python/value.ts";

/** A function or method that templates can call. */
export class NativeFunction extends PythonObject {
  override readonly typeName: string;
  override readonly callable = true;
  readonly #body: (args: CallArguments) => Value;

  constructor(body: (args: CallArguments) => Value, typeName = "builtin_function_or_method") {
    super();
    this.#body = body;
    this.typeName = typeName;
  }

  override call(args: CallArguments): Value {
    return this.#body(args);
  }
}

/** The arguments of a call without any. */
export const noArguments: CallArguments = { positional: [], named: new Map() };

/** How many arguments a callee takes and what they are called. */
export type Signature = {
  readonly callee: string;
  readonly parameters: readonly string[];
  /** How many of them must be given. */
  readonly required: number;
  /** Parameters that cannot be given by name, counted from the first. */
  readonly positionalOnly?: number;
};

/** The arguments in the order of the parameters, undefined where left out. Throws PythonError (TypeError). */
export function bindArguments(signature: Signature, args: CallArguments): readonly (Value | undefined)[] {
  const { callee, parameters, required, positionalOnly = 0 } = signature;
  if (args.positional.length > parameters.length) {
    throw typeError(`${callee}() takes at most ${parameters.length} arguments (${args.positional.length} given)`);
  }
  const bound: (Value | undefined)[] = [...args.positional];
  for (const [name, value] of args.named) {
    const place = parameters.indexOf(name);
    if (place < positionalOnly) throw typeError(`${callee}() got an unexpected keyword argument '${name}'`);
    if (bound[place] !== undefined) throw typeError(`${callee}() got multiple values for argument '${name}'`);
    bound[place] = value;
  }
  for (let place = 0; place < required; place++) {
    if (bound[place] === undefined) throw typeError(`${callee}() is missing the argument '${parameters[place]}'`);
  }
  return bound;
}

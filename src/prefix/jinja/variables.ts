import { PythonError, typeError, valueError } from "../python/failure.ts";
import { iterate } from "../python/sequence.ts";
import { typeName, type Value } from "../python/value.ts";
import type { Evaluate } from "./evaluate.ts";
import { Namespace } from "./namespace.ts";
import type { Activation } from "./run.ts";
import type { FunctionFrame, Load, Scope, Slot } from "./scope.ts";
import type { Target } from "./syntax.ts";
import { undefinedName } from "./undefined.ts";

/** Reads a variable in compiled code; undefined where it has no value. */
type Read = (activation: Activation) => Value | undefined;

/** How many functions out of `from` a slot's frame is. */
function hopsTo(slot: Slot, from: FunctionFrame): number {
  let hops = 0;
  for (let frame: FunctionFrame | undefined = from; frame !== undefined; frame = frame.parent, hops++) {
    if (frame === slot.frame) return hops;
  }
  throw new RangeError("a slot of a frame that is not around");
}

/** Reads a slot from code that runs in the frame `from`. */
function slotReader(slot: Slot, from: FunctionFrame): Read {
  const hops = hopsTo(slot, from);
  const { index } = slot;
  if (hops === 0) return (activation) => activation.slots[index];
  return (activation) => {
    let holder: Activation | undefined = activation;
    for (let hop = 0; hop < hops; hop++) holder = holder?.outer;
    return holder?.slots[index];
  };
}

/** Reads a name: Undefined where it has no value. */
export function compileName(scope: Scope, name: string): Evaluate {
  const read = slotReader(scope.slot(name), scope.frame);
  return (activation) => {
    const value = read(activation);
    return value === undefined ? undefinedName(name) : value;
  };
}

/** Gives every variable of a scope its first value. */
export function compileEntry(scope: Scope): (activation: Activation) => void {
  const steps = scope.loads().map(([slot, load]) => ({ index: slot.index, first: firstValue(load, scope.frame) }));
  return (activation) => {
    for (const { index, first } of steps) activation.slots[index] = first(activation);
  };
}

function firstValue(load: Exclude<Load, { kind: "parameter" }>, from: FunctionFrame): Read {
  switch (load.kind) {
    case "resolve":
      return ({ run }) => run.context.get(load.name);
    case "alias":
      return slotReader(load.from, from);
    case "undefined":
      return () => undefined;
  }
}

/** Sets a target to a value, taking it apart where the target is a tuple. */
export type Assign = (activation: Activation, value: Value) => void;

/** Compiles an assignment. Throws PythonError at run time where a value cannot be taken apart. */
export function compileTarget(scope: Scope, target: Target): Assign {
  switch (target.kind) {
    case "name": {
      const { index } = scope.slot(target.name);
      return (activation, value) => {
        activation.slots[index] = value;
      };
    }
    case "namespaceField": {
      const namespace = compileNamespace(scope, target.namespace);
      return (activation, value) => namespace(activation).set(target.field, value);
    }
    case "tuple": {
      const parts = target.items.map((item) => compileTarget(scope, item));
      return (activation, value) => {
        const items = unpack(value, parts.length);
        for (const [place, assign] of parts.entries()) assign(activation, items[place] ?? null);
      };
    }
  }
}

/** Checks before the value is computed that the namespaces a target names are namespaces. */
export function compileTargetCheck(scope: Scope, target: Target): (activation: Activation) => void {
  if (target.kind === "name") return () => undefined;
  if (target.kind === "namespaceField") return compileNamespace(scope, target.namespace);
  const checks = target.items.map((item) => compileTargetCheck(scope, item));
  return (activation) => {
    for (const check of checks) check(activation);
  };
}

function compileNamespace(scope: Scope, name: string): (activation: Activation) => Namespace {
  const read = slotReader(scope.slot(name), scope.frame);
  return (activation) => {
    const namespace = read(activation);
    if (namespace instanceof Namespace) return namespace;
    throw new PythonError("TemplateRuntimeError", "cannot assign attribute on non-namespace object");
  };
}

function unpack(value: Value, count: number): Value[] {
  if (value === null || typeof value === "number" || typeof value === "boolean") {
    throw typeError(`cannot unpack non-iterable ${typeName(value)} object`);
  }
  const source = iterate(value);
  const items: Value[] = [];
  for (let next = source.next(); next.done !== true; next = source.next()) {
    items.push(next.value);
    if (items.length > count) throw valueError(`too many values to unpack (expected ${count})`);
  }
  if (items.length < count) throw valueError(`not enough values to unpack (expected ${count}, got ${items.length})`);
  return items;
}

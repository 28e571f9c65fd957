import type { CallArguments, Value } from "../python/value.ts";

/** A filter: `value | name(args)`. */
export type Filter = (value: Value, args: CallArguments, environment: Environment) => Value;

/** A test: `value is name(args)`. */
export type Test = (value: Value, args: CallArguments, environment: Environment) => boolean;

/** What filters need beside their arguments: others by name, and the rendering's budget. */
export type Environment = {
  /** Takes steps for work beyond going through the value and the result once. Throws BudgetError. */
  readonly spend: (steps: number) => void;
  readonly callFilter: (name: string, value: Value, args: CallArguments) => Value;
  readonly callTest: (name: string, value: Value, args: CallArguments) => boolean;
};

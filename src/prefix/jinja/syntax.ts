import type { BinaryOperator } from "../python/arithmetic.ts";
import type { Value } from "../python/value.ts";

/** An expression of a template's syntax tree. */
export type Expression =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "constant"; readonly value: Value }
  | { readonly kind: "tuple"; readonly items: readonly Expression[] }
  | { readonly kind: "list"; readonly items: readonly Expression[] }
  | { readonly kind: "dict"; readonly entries: readonly (readonly [Expression, Expression])[] }
  | { readonly kind: "attribute"; readonly target: Expression; readonly name: string }
  | { readonly kind: "item"; readonly target: Expression; readonly key: Expression }
  | { readonly kind: "slice"; readonly target: Expression; readonly bounds: SliceExpressions }
  | { readonly kind: "call"; readonly target: Expression; readonly args: ArgumentList }
  | FilterExpression
  | { readonly kind: "test"; readonly target: Expression; readonly name: string; readonly args: ArgumentList }
  | { readonly kind: "not"; readonly operand: Expression }
  | { readonly kind: "and" | "or"; readonly left: Expression; readonly right: Expression }
  | { readonly kind: "compare"; readonly first: Expression; readonly rest: readonly Comparison[] }
  | {
      readonly kind: "binary";
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: "signed"; readonly sign: "-" | "+"; readonly operand: Expression }
  | { readonly kind: "concat"; readonly parts: readonly Expression[] }
  | {
      readonly kind: "conditional";
      readonly test: Expression;
      readonly value: Expression;
      readonly otherwise: Expression | undefined;
    };

/** A filter; its target is left out where it filters the block it stands on. */
export type FilterExpression = {
  readonly kind: "filter";
  readonly target: Expression | undefined;
  readonly name: string;
  readonly args: ArgumentList;
};

/** `target(args)` */
export type CallExpression = Extract<Expression, { kind: "call" }>;

/** `start:stop:step`, undefined where left out. */
export type SliceExpressions = {
  readonly start: Expression | undefined;
  readonly stop: Expression | undefined;
  readonly step: Expression | undefined;
};

/** One step of a chain of comparisons, `a < b <= c`. */
export type Comparison = { readonly operator: ComparisonOperator; readonly operand: Expression };
/** What compares two values. */
export type ComparisonOperator = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not in";

/** The arguments of a call, filter or test, in the order of a call. */
export type ArgumentList = {
  readonly positional: readonly Expression[];
  readonly named: readonly (readonly [string, Expression])[];
  /** `*values` */
  readonly spread: Expression | undefined;
  /** `**values` */
  readonly namedSpread: Expression | undefined;
};

/** What is assigned to. */
export type Target =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "namespaceField"; readonly namespace: string; readonly field: string }
  | { readonly kind: "tuple"; readonly items: readonly Target[] };

/** A parameter of a macro and its default. */
export type Parameter = { readonly name: string; readonly fallback: Expression | undefined };

/** A tag with what it encloses, or a run of output. */
export type Statement =
  | { readonly kind: "output"; readonly parts: readonly (string | Expression)[] }
  | ForStatement
  | IfStatement
  | { readonly kind: "set"; readonly target: Target; readonly value: Expression }
  | {
      readonly kind: "setBlock";
      readonly target: Target;
      readonly filter: FilterExpression | undefined;
      readonly body: Body;
    }
  | MacroStatement
  | CallBlockStatement
  | { readonly kind: "generation"; readonly body: Body }
  | { readonly kind: "filterBlock"; readonly filter: FilterExpression; readonly body: Body }
  | {
      readonly kind: "with";
      readonly bindings: readonly { readonly target: Target; readonly value: Expression }[];
      readonly body: Body;
    }
  | { readonly kind: "break" | "continue" };

/** What a tag encloses, or the whole template. */
export type Body = readonly Statement[];

/** `for target in iterable if test recursive`, and its `else`. */
export type ForStatement = {
  readonly kind: "for";
  readonly target: Target;
  readonly iterable: Expression;
  readonly test: Expression | undefined;
  readonly recursive: boolean;
  readonly body: Body;
  readonly otherwise: Body;
};

/** `if`, its `elif` branches and its `else`. */
export type IfStatement = {
  readonly kind: "if";
  readonly test: Expression;
  readonly body: Body;
  readonly elifs: readonly { readonly test: Expression; readonly body: Body }[];
  readonly otherwise: Body;
};

type MacroStatement = {
  readonly kind: "macro";
  readonly name: string;
  readonly parameters: readonly Parameter[];
  readonly body: Body;
};

/** `call(parameters) callee(...)`: the body is handed to the callee as `caller`. */
export type CallBlockStatement = {
  readonly kind: "callBlock";
  readonly parameters: readonly Parameter[];
  readonly call: CallExpression;
  readonly body: Body;
};

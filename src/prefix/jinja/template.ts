import { BudgetError, PythonError, UnsupportedError } from "../python/failure.ts";
import type { WallClock } from "../python/strftime.ts";
import type { Value } from "../python/value.ts";
import { globalFunctions } from "./globals.ts";
import { analyzeBody } from "./name-analysis.ts";
import { Activation, defaultLimits, Output, type RenderLimits, Run } from "./run.ts";
import { Scope } from "./scope.ts";
import { compileBody } from "./statement-compiler.ts";
import { parseTemplate } from "./statement-parser.ts";
import type { Body } from "./syntax.ts";
import { TemplateSyntaxFailure } from "./syntax-failure.ts";
import { compileEntry } from "./variables.ts";

/** A rendered text, or why there is none. */
export type TemplateResult =
  | { readonly ok: true; readonly text: string }
  | {
      readonly ok: false;
      /**
       * `raised`: Python raises too. `unsupported`: Python would print something that is not known here. `budget`: the
       * rendering cost more than its limits.
       */
      readonly reason: "raised" | "unsupported" | "budget";
      readonly message: string;
    };

/** A compiled chat template: a value to keep and render many times. */
export type Template = {
  readonly syntax: Body;
  render(context: ReadonlyMap<string, Value>, options: RenderOptions): TemplateResult;
};

type RenderOptions = {
  /** What `strftime_now` reads. */
  readonly clock: WallClock;
  readonly limits?: RenderLimits;
};

/** A template ready to render, or why it does not compile. */
export type CompileResult =
  | { readonly ok: true; readonly template: Template }
  | { readonly ok: false; readonly message: string };

/**
 * Compiles a chat template into closures (no `eval`: Workers forbid it). It renders as jinja2 3.1 does in the
 * environment of transformers: immutable sandbox, `trim_blocks`, `lstrip_blocks`, loop controls, `generation` blocks,
 * `raise_exception`, `strftime_now`, no autoescape.
 */
export function compileTemplate(source: string): CompileResult {
  try {
    return { ok: true, template: compile(parseTemplate(source)) };
  } catch (error) {
    if (error instanceof TemplateSyntaxFailure) return { ok: false, message: error.message };
    throw error;
  }
}

function compile(syntax: Body): Template {
  const scope = Scope.root();
  analyzeBody(scope, syntax);
  const enter = compileEntry(scope);
  const execute = compileBody(scope, syntax);
  return {
    syntax,
    render(context, { clock, limits = defaultLimits }) {
      const run = new Run(new Map([...globalFunctions(clock), ...context]), limits);
      const output = new Output(run);
      try {
        const activation = new Activation(run, scope.frame.slotCount, undefined);
        enter(activation);
        execute(activation, output);
        return { ok: true, text: output.text };
      } catch (error) {
        return failure(error);
      }
    },
  };
}

function failure(error: unknown): TemplateResult {
  if (error instanceof PythonError) return { ok: false, reason: "raised", message: `${error.type}: ${error.message}` };
  if (error instanceof UnsupportedError) return { ok: false, reason: "unsupported", message: error.message };
  if (error instanceof BudgetError) return { ok: false, reason: "budget", message: error.message };
  // The stack, or a text longer than the engine allows.
  if (error instanceof RangeError) return { ok: false, reason: "budget", message: error.message };
  throw error;
}

import { BudgetError } from "../python/failure.ts";
import type { Value } from "../python/value.ts";
import type { Environment } from "./filter.ts";
import { createEnvironment } from "./filters.ts";

/** What one rendering may cost. */
export type RenderLimits = {
  /** Evaluated nodes, with long texts counted by their length: some tens of nanoseconds each. */
  readonly steps: number;
  /** UTF-16 units of output. */
  readonly outputUnits: number;
};

/** Enough for a request of 8 MiB; a template that uses it all up takes a few seconds. */
export const defaultLimits: RenderLimits = { steps: 20_000_000, outputUnits: 1 << 25 };

/** Macros and recursive loops inside each other; more would outgrow the stack. */
const maxCallDepth = 120;

/** Text units that cost one step to look through or copy. */
const unitsPerStep = 16;

/** The state of one rendering: its context, and what is left of its budget. */
export class Run {
  readonly context: ReadonlyMap<string, Value>;
  readonly environment: Environment;
  #steps: number;
  #depth = 0;
  readonly #outputUnits: number;

  constructor(context: ReadonlyMap<string, Value>, limits: RenderLimits) {
    this.context = context;
    this.environment = createEnvironment((steps) => this.spend(steps));
    this.#steps = limits.steps;
    this.#outputUnits = limits.outputUnits;
  }

  /** Takes steps from the budget. Throws BudgetError when it is used up. */
  spend(steps: number): void {
    this.#steps -= steps;
    if (this.#steps < 0) throw new BudgetError("the template runs too long");
  }

  /** Takes what looking through a text costs; nothing much for other values, whose length is known. */
  spendOnSearch(value: Value): void {
    this.spend(typeof value === "string" ? 1 + value.length / unitsPerStep : 1);
  }

  /** Takes what making a value costs. */
  spendOnResult(value: Value): void {
    if (typeof value === "string") this.spend(1 + value.length / unitsPerStep);
    else if (Array.isArray(value)) this.spend(1 + value.length);
    else this.spend(1);
  }

  /** Runs `body` one call deeper. */
  deeper<Result>(body: () => Result): Result {
    if (++this.#depth > maxCallDepth) throw new BudgetError("macros or loops call each other too deeply");
    const result = body();
    this.#depth--;
    return result;
  }

  checkOutput(units: number): void {
    if (units > this.#outputUnits) throw new BudgetError("the output is too long");
  }
}

/** The variables of one call of a function frame. A slot that was never set is undefined. */
export class Activation {
  readonly run: Run;
  readonly outer: Activation | undefined;
  readonly slots: (Value | undefined)[];

  constructor(run: Run, slotCount: number, outer: Activation | undefined) {
    this.run = run;
    this.outer = outer;
    this.slots = new Array<Value | undefined>(slotCount).fill(undefined);
  }
}

/** Text that statements print into. */
export class Output {
  readonly #run: Run;
  text = "";

  constructor(run: Run) {
    this.#run = run;
  }

  write(text: string): void {
    this.text += text;
    this.#run.checkOutput(this.text.length);
  }
}

/**
 * Why a template or a value could not be evaluated as Python would. All three end the rendering of one request and
 * reach callers as typed results, never as exceptions.
 */

/** Python raises here too: the engine refuses the same request. */
export class PythonError extends Error {
  /** Python's name of the exception, like `TypeError`. */
  readonly type: string;
  constructor(type: string, message: string) {
    super(message);
    this.name = "PythonError";
    this.type = type;
  }
}

/** Python would go on, but what it would print is not known here (memory addresses, rarely used features). */
export class UnsupportedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UnsupportedError";
  }
}

/** The work or the text grew past what one request may cost. */
export class BudgetError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "BudgetError";
  }
}

/** Python's TypeError. */
export function typeError(message: string): PythonError {
  return new PythonError("TypeError", message);
}

/** Python's ValueError. */
export function valueError(message: string): PythonError {
  return new PythonError("ValueError", message);
}

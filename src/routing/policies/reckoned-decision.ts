import type { PolicyDecision } from "../policy.ts";

/** A decision whose terms are reckoned when they are asked for, once. */
export class ReckonedDecision implements PolicyDecision {
  readonly chosen: number;
  readonly #reckon: () => Float64Array;
  #terms: Float64Array | undefined;

  constructor(chosen: number, reckon: () => Float64Array) {
    this.chosen = chosen;
    this.#reckon = reckon;
  }

  get terms(): Float64Array {
    this.#terms ??= this.#reckon();
    return this.#terms;
  }
}

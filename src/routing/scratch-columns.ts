/**
 * Columns of floats that are used again and again, for what one decision needs and no later one: making new ones costs
 * more than filling them.
 */
export class ScratchColumns<Name extends string> {
  readonly #names: readonly Name[];
  #length = -1;
  #columns: Readonly<Record<Name, Float64Array>> | undefined;

  constructor(names: readonly Name[]) {
    this.#names = names;
  }

  /** The columns, of this length and with whatever was left in them. Those of the call before are void. */
  take(length: number): Readonly<Record<Name, Float64Array>> {
    if (this.#columns === undefined || this.#length !== length) {
      const made = this.#names.map((name) => [name, new Float64Array(length)]);
      this.#columns = Object.fromEntries(made) as Record<Name, Float64Array>;
      this.#length = length;
    }
    return this.#columns;
  }
}

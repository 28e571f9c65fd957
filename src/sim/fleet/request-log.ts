/** What became of the requests of one simulation, column by column; times in ms, NaN where it never came to that. */
export class RequestLog {
  #size = 0;
  arrivalMs = new Float64Array(1024);
  /** When it reached the pod that its first token came from. */
  reachedMs = new Float64Array(1024);
  firstTokenMs = new Float64Array(1024);
  endMs = new Float64Array(1024);
  promptTokens = new Uint32Array(1024);
  outputTokens = new Uint32Array(1024);
  hitTokens = new Uint32Array(1024);
  /** The pod that answered; -1: refused or failed. */
  pod = new Int32Array(1024);

  get size(): number {
    return this.#size;
  }

  /** Notes an arrival and returns its number. */
  add(arrivalMs: number, promptTokens: number, outputTokens: number): number {
    if (this.#size === this.arrivalMs.length) this.#grow();
    const index = this.#size++;
    this.arrivalMs[index] = arrivalMs;
    this.reachedMs[index] = Number.NaN;
    this.firstTokenMs[index] = Number.NaN;
    this.endMs[index] = Number.NaN;
    this.promptTokens[index] = promptTokens;
    this.outputTokens[index] = outputTokens;
    this.pod[index] = -1;
    return index;
  }

  #grow(): void {
    const size = 2 * this.arrivalMs.length;
    this.arrivalMs = into(new Float64Array(size), this.arrivalMs);
    this.reachedMs = into(new Float64Array(size), this.reachedMs);
    this.firstTokenMs = into(new Float64Array(size), this.firstTokenMs);
    this.endMs = into(new Float64Array(size), this.endMs);
    this.promptTokens = into(new Uint32Array(size), this.promptTokens);
    this.outputTokens = into(new Uint32Array(size), this.outputTokens);
    this.hitTokens = into(new Uint32Array(size), this.hitTokens);
    this.pod = into(new Int32Array(size), this.pod);
  }
}

function into<T extends Float64Array | Uint32Array | Int32Array>(grown: T, values: T): T {
  grown.set(values);
  return grown;
}

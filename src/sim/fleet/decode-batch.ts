import type { EngineRequest } from "./engine-request.ts";

/**
 * The sequences that decode, each one token a step, in order of admission. Advancing costs nothing until one of them
 * ends: how many tokens each has is worked out from the step it joined at.
 */
export class DecodeBatch {
  readonly #requests: EngineRequest[] = [];
  /** Step at which the sequence has all its tokens, by its place in the batch. */
  readonly #endSteps: number[] = [];
  #step = 0;
  #nextEnd = Number.POSITIVE_INFINITY;
  #contextTokens = 0;

  get size(): number {
    return this.#requests.length;
  }

  /** Tokens that the next step attends to, over all sequences. */
  get contextTokens(): number {
    return this.#contextTokens;
  }

  /** Steps until the first sequence ends. */
  get stepsToNextEnd(): number {
    return this.#nextEnd - this.#step;
  }

  /** A sequence whose first token is out joins. */
  add(request: EngineRequest): void {
    const endStep = this.#step + request.outputTokens - request.emittedTokens;
    this.#requests.push(request);
    this.#endSteps.push(endStep);
    this.#nextEnd = Math.min(this.#nextEnd, endStep);
    this.#contextTokens += request.promptTokens + request.emittedTokens;
  }

  /** So many steps are done. Never past the next end. */
  advance(steps: number): void {
    this.#step += steps;
    this.#contextTokens += steps * this.#requests.length;
  }

  /** The sequences, their `emittedTokens` brought up to date. */
  requests(): readonly EngineRequest[] {
    for (let i = 0; i < this.#requests.length; i++) this.#count(i);
    return [...this.#requests];
  }

  /** Takes out the sequences that have all their tokens. */
  takeFinished(): readonly EngineRequest[] {
    if (this.#step < this.#nextEnd) return [];
    const finished: EngineRequest[] = [];
    let left = 0;
    this.#nextEnd = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#requests.length; i++) {
      const request = this.#requests[i] as EngineRequest;
      const endStep = this.#endSteps[i] as number;
      if (endStep <= this.#step) {
        this.#count(i);
        this.#contextTokens -= request.promptTokens + request.emittedTokens;
        finished.push(request);
        continue;
      }
      this.#nextEnd = Math.min(this.#nextEnd, endStep);
      this.#requests[left] = request;
      this.#endSteps[left++] = endStep;
    }
    this.#requests.length = left;
    this.#endSteps.length = left;
    return finished;
  }

  /** Takes out the sequence that joined last. */
  takeNewest(): EngineRequest | undefined {
    const newest = this.#requests.at(-1);
    if (newest !== undefined) this.remove(newest);
    return newest;
  }

  /** Takes a sequence out before its end. */
  remove(request: EngineRequest): void {
    const at = this.#requests.indexOf(request);
    if (at < 0) return;
    this.#count(at);
    this.#contextTokens -= request.promptTokens + request.emittedTokens;
    this.#requests.splice(at, 1);
    this.#endSteps.splice(at, 1);
    this.#nextEnd = this.#endSteps.reduce((least, step) => Math.min(least, step), Number.POSITIVE_INFINITY);
  }

  clear(): void {
    this.#requests.length = 0;
    this.#endSteps.length = 0;
    this.#nextEnd = Number.POSITIVE_INFINITY;
    this.#contextTokens = 0;
  }

  #count(at: number): void {
    const request = this.#requests[at] as EngineRequest;
    request.emittedTokens = request.outputTokens - ((this.#endSteps[at] as number) - this.#step);
  }
}

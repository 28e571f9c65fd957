/** A rate per ms over an exponential memory: what was added, weighted by how long ago, by the time remembered. */
export class DecayedRate {
  readonly #memoryMs: number;
  readonly #bornMs: number;
  #sum = 0;
  #atMs: number;

  constructor(memoryMs: number, nowMs: number) {
    this.#memoryMs = memoryMs;
    this.#bornMs = nowMs;
    this.#atMs = nowMs;
  }

  add(amount: number, nowMs: number): void {
    this.#sum = this.#sum * Math.exp((this.#atMs - nowMs) / this.#memoryMs) + amount;
    this.#atMs = nowMs;
  }

  /** Per ms. A memory that is not full yet counts for the time it has; never less than a thousandth of it. */
  perMs(nowMs: number): number {
    const { exp, max } = Math;
    const remembered = this.#memoryMs * (1 - exp((this.#bornMs - nowMs) / this.#memoryMs));
    return (this.#sum * exp((this.#atMs - nowMs) / this.#memoryMs)) / max(remembered, this.#memoryMs / 1_000);
  }
}

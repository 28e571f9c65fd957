/** How many of something there were in the last while, counted in buckets: memory does not grow with the count. */
export class SlidingCount {
  readonly #bucketMs: number;
  readonly #buckets: Float64Array;
  /** Number of the newest bucket since the clock's zero. */
  #newest = Number.NEGATIVE_INFINITY;
  #total = 0;

  /** `windowMs` in so many buckets: what is older leaves a bucket at a time. */
  constructor(windowMs: number, buckets = 10) {
    this.#bucketMs = windowMs / buckets;
    this.#buckets = new Float64Array(buckets);
  }

  add(nowMs: number): void {
    this.#advance(nowMs);
    const slot = this.#slot(this.#newest);
    this.#buckets[slot] = (this.#buckets[slot] as number) + 1;
    this.#total++;
  }

  total(nowMs: number): number {
    this.#advance(nowMs);
    return this.#total;
  }

  clear(): void {
    this.#buckets.fill(0);
    this.#total = 0;
  }

  #advance(nowMs: number): void {
    const now = Math.floor(nowMs / this.#bucketMs);
    if (now <= this.#newest) return;
    if (now - this.#newest >= this.#buckets.length) this.clear();
    else {
      for (let bucket = this.#newest + 1; bucket <= now; bucket++) {
        const slot = this.#slot(bucket);
        this.#total -= this.#buckets[slot] as number;
        this.#buckets[slot] = 0;
      }
    }
    this.#newest = now;
  }

  #slot(bucket: number): number {
    return ((bucket % this.#buckets.length) + this.#buckets.length) % this.#buckets.length;
  }
}

/**
 * What a look-up found for each of some pods, in columns: `tokens[i]` belongs to the pod at `i` of those that were asked
 * for. Filled anew by each question.
 */
export class PodMatches {
  /** Leading segments the pod is believed to hold. */
  segments = new Uint32Array(0);
  /**
   * Tokens that it is expected to hold: counted in the segments that events confirm, estimated in the others, and half a
   * segment more, since what it holds ends anywhere in the segment behind; less what its answers have shown to be wishful.
   */
  tokens = new Float64Array(0);
  /** Those of the segments that events confirm. */
  confirmedSegments = new Uint32Array(0);
  /** Confirmed ones that are in a host tier only. */
  hostSegments = new Uint32Array(0);
  #anyHost = false;
  #countedSegments = 0;
  #countedTokens = 0;

  /** Whether any pod may have segments in a host tier only. */
  get anyHost(): boolean {
    return this.#anyHost;
  }

  /** The most segments that events confirm of any pod. */
  get countedSegments(): number {
    return this.#countedSegments;
  }

  /** The tokens counted in these. */
  get countedTokens(): number {
    return this.#countedTokens;
  }

  /** Makes room for the matches of so many pods, and forgets how far those that were there were counted. */
  begin(pods: number): this {
    this.#countedSegments = 0;
    this.#countedTokens = 0;
    if (pods === this.segments.length) return this;
    this.segments = new Uint32Array(pods);
    this.tokens = new Float64Array(pods);
    this.confirmedSegments = new Uint32Array(pods);
    this.hostSegments = new Uint32Array(pods);
    return this;
  }

  /** Events confirm so many segments of some pod, with so many tokens. */
  count(segments: number, tokens: number): void {
    if (segments <= this.#countedSegments) return;
    this.#countedSegments = segments;
    this.#countedTokens = tokens;
  }

  /** Nothing is in a host tier only. */
  noHost(): void {
    if (this.#anyHost) this.hostSegments.fill(0);
    this.#anyHost = false;
  }

  /** Of `depths` segments by slot, all but `gpuDepths` are in a host tier only. */
  countHost(slots: Uint16Array, depths: Uint32Array, gpuDepths: Uint32Array): void {
    this.#anyHost = true;
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i] as number;
      this.hostSegments[i] = (depths[slot] as number) - (gpuDepths[slot] as number);
    }
  }
}

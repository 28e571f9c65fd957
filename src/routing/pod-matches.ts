/**
 * What a look-up found for each of some pods, in columns: `tokens[i]` belongs to the pod at `i` of those that were asked
 * for. Filled anew by each question.
 */
export class PodMatches {
  /** Pods in it: the columns can be longer. */
  count = 0;
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
  /** The most segments that events confirm of any pod, and the tokens counted in these. */
  countedSegments = 0;
  countedTokens = 0;

  /** Makes room for the matches of so many pods and forgets those that were there. */
  begin(count: number): void {
    this.count = count;
    this.countedSegments = 0;
    this.countedTokens = 0;
    if (count <= this.segments.length) return;
    this.segments = new Uint32Array(count);
    this.tokens = new Float64Array(count);
    this.confirmedSegments = new Uint32Array(count);
    this.hostSegments = new Uint32Array(count);
  }
}

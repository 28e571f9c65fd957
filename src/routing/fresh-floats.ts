/** Doubles in a slab: a few decisions' worth, so that an array that is kept keeps little else alive. */
const SLAB_LENGTH = 4_096;

let slab = new Float64Array(SLAB_LENGTH);
let used = 0;

/**
 * A new array of zeros, cut from memory that is allocated for many at once: a typed array of its own costs more than
 * filling it. For what lives as long as a decision.
 */
export function freshFloats(length: number): Float64Array {
  if (length > SLAB_LENGTH) return new Float64Array(length);
  if (used + length > SLAB_LENGTH) {
    slab = new Float64Array(SLAB_LENGTH);
    used = 0;
  }
  used += length;
  return slab.subarray(used - length, used);
}

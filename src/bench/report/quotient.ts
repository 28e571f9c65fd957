/** One part of a whole; 0 of nothing. */
export function quotient(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

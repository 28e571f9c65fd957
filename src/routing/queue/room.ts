/** What is taken of a bound: by all, and by one key at one priority. */
export type Taken = { readonly all: number; readonly own: number };

/** How much has to leave before `wanted` more fits under a bound. 0: it fits. */
export function shortOfRoom(wanted: number, takenByAll: number, most: number): number {
  // What is larger than the bound has to come in when nobody else is there, or it never would.
  return takenByAll === 0 ? 0 : Math.max(0, takenByAll + wanted - most);
}

/**
 * How much of its own has to leave before a key has no more than its share: `shareOfFree` times what is free (see
 * queue-settings.ts). 0: it may have more, as a key with nothing always may. What leaves shrinks the key's part and
 * grows the free one.
 */
export function shortOfShare({ all, own }: Taken, most: number, shareOfFree: number): number {
  return own === 0 ? 0 : Math.max(0, (own - shareOfFree * (most - all)) / (1 + shareOfFree));
}

/**
 * The one of `ids` that a key belongs to, by rendezvous (highest random weight) hashing: equal keys meet at the same
 * id, and an id that comes or goes moves only its own keys. Undefined if there are none.
 */
export function rendezvous(ids: readonly string[], key: string): string | undefined {
  let best: string | undefined;
  let bestWeight = -1;
  for (const id of ids) {
    const weight = scattered(`${key}\n${id}`);
    if (weight > bestWeight) {
      best = id;
      bestWeight = weight;
    }
  }
  return best;
}

/** FNV-1a with the finalizer of MurmurHash3: 32 bits, unsigned. */
function scattered(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

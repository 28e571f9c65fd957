/**
 * Rendezvous (highest random weight) hashing, Thaler and Ravishankar 1998: every key ranks all pods by a hash of the
 * pair. A pod that goes moves only the keys it was first for, each to its own second choice; a pod that comes back gets
 * the same keys again. No ring has to be built or kept.
 */

/** A 32-bit hash of a text (FNV-1a over its UTF-16 units, then mixed). Not for secrets. */
export function textHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mixed(hash);
}

/** How highly a key ranks a pod: uniform in 0 to 2^32 - 1. Both are text hashes. */
export function rendezvousWeight(key: number, pod: number): number {
  return mixed(Math.imul(key, 0x9e3779b1) ^ pod);
}

/** The finalizer of MurmurHash3: each bit of the input reaches each bit of the output. */
function mixed(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

import { type ClaimDigest, PodDigests } from "./claim-digest.ts";
import { type ClaimId, ClaimPages, HIGH, LOW, NEXT, NIL, WORD } from "./claim-pages.ts";
import { type CrowdId, Crowds, type FoundHolders } from "./crowds.ts";
import type { PodSlot } from "./pod-slot.ts";
import { SegmentBuckets } from "./segment-buckets.ts";

/** Bytes of a claim, its part of the buckets included. Measured with unshared segments: 23.3. */
export const CLAIM_BYTES = 24;

/** A segment with this many holders has them packed as a crowd, until it has fewer than half of them. */
const CROWD = 8;
/** A claim's next one has this bit where the claims on the segment are a crowd; the rest of it is the crowd's number. */
const CROWDED = 1 << 29;

/** Claims out of a table: `words[i]` belongs to the segment at `segments[2 * i]`. */
export type CopiedClaims = { readonly segments: Uint32Array; readonly words: Uint32Array };

/**
 * Which pods hold which segments: one *claim* per pair of segment and pod, with a word of the caller's own.
 *
 * Segments are named by an array and a place in it, where the low and the high word of the hash stand: numbers past
 * 31 bits would be boxed on their way through calls. The claims on one segment are a list (few holders) or a crowd
 * (many), so a look-up reads the holders of that segment only; the claims of one pod are dense (see claim-pages.ts), so
 * clearing a pod takes time proportional to what it holds. Not thread-safe and without a clock.
 */
export class ClaimTable {
  readonly #claims = new ClaimPages();
  readonly #buckets = new SegmentBuckets(this.#claims);
  readonly #crowds = new Crowds();
  readonly #digests = new PodDigests();
  #size = 0;

  /** Claims in the table. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of typed arrays allocated. */
  get allocatedBytes(): number {
    return this.#claims.allocatedBytes + this.#buckets.allocatedBytes + this.#crowds.allocatedBytes;
  }

  /** Bytes that the claims in the table account for. */
  get usedBytes(): number {
    return this.#size * CLAIM_BYTES + this.#crowds.usedBytes;
  }

  /** One more than the highest slot that ever had a claim. */
  get slotBound(): number {
    return this.#claims.slotBound;
  }

  /** Claims of one pod. */
  podSize(pod: PodSlot): number {
    return this.#claims.podSize(pod);
  }

  /** For comparing a pod's claims with another's account of them; asking costs nothing. */
  podDigest(pod: PodSlot): ClaimDigest {
    return this.#digests.of(pod);
  }

  /** The claim of a pod on a segment, NIL without one. */
  find(keys: Uint32Array, at: number, pod: PodSlot): ClaimId {
    const claims = this.#claims;
    let claim = this.#buckets.find(keys, at);
    if (claim === NIL) return NIL;
    const next = claims.next(claim);
    if ((next & CROWDED) !== 0) return this.#crowds.claimOf(next ^ CROWDED, pod);
    while (claim !== NIL && claims.owner(claim) !== pod) claim = claims.next(claim);
    return claim;
  }

  /** Prepares for look-ups of the segments in `keys`, `step` words apart: they are faster after it. */
  warm(keys: Uint32Array, step = 2): void {
    this.#buckets.warm(keys, step);
  }

  /** Adds a claim, or replaces the word of the one that is there. */
  put(keys: Uint32Array, at: number, pod: PodSlot, word: number): ClaimId {
    const claims = this.#claims;
    const first = this.#buckets.find(keys, at);
    if (first === NIL) {
      const claim = this.#append(keys, at, pod, word);
      this.#buckets.add(keys, at, claim);
      return claim;
    }
    const next = claims.next(first);
    if ((next & CROWDED) !== 0) return this.#putInCrowd(keys, at, pod, word, next ^ CROWDED);
    let holders = 0;
    for (let claim = first; claim !== NIL; claim = claims.next(claim)) {
      if (claims.owner(claim) === pod) {
        claims.arena(claim)[claims.base(claim) + WORD] = word;
        return claim;
      }
      holders++;
    }
    const claim = this.#append(keys, at, pod, word);
    claims.setNext(claim, next);
    claims.setNext(first, claim);
    if (holders + 1 === CROWD) this.#gather(first);
    return claim;
  }

  /**
   * Takes a claim out. The pod's last claim takes over its number; returns the number that one had before, NIL if
   * no claim changed its number.
   */
  delete(claim: ClaimId): ClaimId {
    const claims = this.#claims;
    const keys = claims.arena(claim);
    const at = claims.base(claim);
    const pod = claims.owner(claim);
    const next = keys[at + NEXT] as number;
    this.#digests.subtract(pod, keys, at);
    this.#size--;
    if ((next & CROWDED) !== 0) this.#leaveCrowd(claim, pod, next ^ CROWDED);
    else this.#leaveList(keys, at, claim, next);
    const moved = claims.drop(claim);
    if (moved !== NIL) this.#renumber(moved, claim);
    return moved;
  }

  /** Removes a pod's claim on a segment. True if it was there. */
  remove(keys: Uint32Array, at: number, pod: PodSlot): boolean {
    const claim = this.find(keys, at, pod);
    if (claim === NIL) return false;
    this.delete(claim);
    return true;
  }

  /** Removes all claims of a pod, in time proportional to their number. Returns how many there were. */
  clearPod(pod: PodSlot): number {
    const removed = this.podSize(pod);
    for (let claim = this.last(pod); claim !== NIL; claim = this.last(pod)) this.delete(claim);
    return removed;
  }

  /** Adds the holders of a segment to a row of bits that begins at `row[start]` and has `slotBound` bits. */
  holdersInto(keys: Uint32Array, at: number, row: Uint32Array, start: number): void {
    const claims = this.#claims;
    const first = this.#buckets.find(keys, at);
    if (first === NIL) return;
    const next = claims.next(first);
    if ((next & CROWDED) !== 0) {
      this.#crowds.orInto(next ^ CROWDED, row, start);
      return;
    }
    for (let claim = first; claim !== NIL; claim = claims.next(claim)) {
      const pod = claims.owner(claim);
      row[start + (pod >>> 5)] = (row[start + (pod >>> 5)] as number) | (1 << (pod & 31));
    }
  }

  /** Notes those holders of a segment that are in a row of bits. */
  noteHolders(keys: Uint32Array, at: number, row: Uint32Array, start: number, found: FoundHolders): void {
    const claims = this.#claims;
    const first = this.#buckets.find(keys, at);
    if (first === NIL) return;
    const next = claims.next(first);
    if ((next & CROWDED) !== 0) {
      this.#crowds.noteHolders(next ^ CROWDED, row, start, found);
      return;
    }
    const { words, depths, depth } = found;
    for (let claim = first; claim !== NIL; claim = claims.next(claim)) {
      const pod = claims.owner(claim);
      if (((row[start + (pod >>> 5)] as number) & (1 << (pod & 31))) === 0) continue;
      words[pod] = claims.word(claim);
      depths[pod] = depth;
    }
  }

  /** All claims of a pod, in no particular order, by number. The numbers are valid until the next change. */
  podClaims(pod: PodSlot): Uint32Array {
    return this.#claims.claims(pod);
  }

  /** Copies the first `most` claims of a pod, in no particular order. */
  copyPod(pod: PodSlot, most: number): CopiedClaims {
    const claims = this.#claims;
    const length = Math.min(most, this.podSize(pod));
    const segments = new Uint32Array(2 * length);
    const words = new Uint32Array(length);
    const ids = claims.claims(pod);
    for (let i = 0; i < length; i++) {
      const claim = ids[i] as ClaimId;
      const arena = claims.arena(claim);
      const at = claims.base(claim);
      segments[2 * i] = arena[at + LOW] as number;
      segments[2 * i + 1] = arena[at + HIGH] as number;
      words[i] = arena[at + WORD] as number;
    }
    return { segments, words };
  }

  /** Some claim of a pod, cheap to find and to delete. NIL if it has none. */
  last(pod: PodSlot): ClaimId {
    return this.#claims.last(pod);
  }

  owner(claim: ClaimId): PodSlot {
    return this.#claims.owner(claim);
  }

  low(claim: ClaimId): number {
    return this.#claims.arena(claim)[this.#claims.base(claim) + LOW] as number;
  }

  high(claim: ClaimId): number {
    return this.#claims.arena(claim)[this.#claims.base(claim) + HIGH] as number;
  }

  word(claim: ClaimId): number {
    return this.#claims.word(claim);
  }

  #append(keys: Uint32Array, at: number, pod: PodSlot, word: number): ClaimId {
    const claim = this.#claims.append(keys, at, pod, word);
    this.#digests.add(pod, keys, at);
    this.#size++;
    return claim;
  }

  #putInCrowd(keys: Uint32Array, at: number, pod: PodSlot, word: number, crowd: CrowdId): ClaimId {
    const claims = this.#claims;
    const found = this.#crowds.claimOf(crowd, pod);
    if (found !== NIL) {
      claims.arena(found)[claims.base(found) + WORD] = word;
      this.#crowds.set(crowd, pod, found, word);
      return found;
    }
    const claim = this.#append(keys, at, pod, word);
    claims.setNext(claim, CROWDED | crowd);
    const grown = this.#crowds.join(crowd, pod, claim, word);
    if (grown !== crowd) this.#nameCrowd(grown);
    return claim;
  }

  /** Makes a crowd of a list. */
  #gather(first: ClaimId): void {
    let crowd = this.#crowds.open();
    for (let claim = first; claim !== NIL; claim = this.#claims.next(claim)) {
      crowd = this.#crowds.join(crowd, this.#claims.owner(claim), claim, this.#claims.word(claim));
    }
    this.#nameCrowd(crowd);
  }

  #nameCrowd(crowd: CrowdId): void {
    const size = this.#crowds.size(crowd);
    for (let i = 0; i < size; i++) this.#claims.setNext(this.#crowds.claimAt(crowd, i), CROWDED | crowd);
  }

  #leaveList(keys: Uint32Array, at: number, claim: ClaimId, next: ClaimId): void {
    const buckets = this.#buckets;
    const wasFirst = next === NIL ? buckets.remove(keys, at, claim) : buckets.replace(keys, at, claim, next);
    if (!wasFirst) this.#claims.setNext(this.#before(claim, buckets.find(keys, at)), next);
  }

  #leaveCrowd(claim: ClaimId, pod: PodSlot, crowd: CrowdId): void {
    const claims = this.#claims;
    this.#crowds.leave(crowd, pod);
    const first = this.#crowds.claimAt(crowd, 0);
    const stillFirst = !this.#buckets.replace(claims.arena(claim), claims.base(claim), claim, first);
    const size = this.#crowds.size(crowd);
    if (size >= CROWD / 2) return;
    // Back to a list, which begins where the bucket says.
    let next = NIL;
    const begin = stillFirst ? this.#buckets.find(claims.arena(claim), claims.base(claim)) : first;
    for (let i = 0; i < size; i++) {
      const member = this.#crowds.claimAt(crowd, i);
      if (member === begin) continue;
      claims.setNext(member, next);
      next = member;
    }
    claims.setNext(begin, next);
    this.#crowds.close(crowd);
  }

  /** Lets whoever points to claim `from` point to `to`, where it is now. */
  #renumber(from: ClaimId, to: ClaimId): void {
    const claims = this.#claims;
    const keys = claims.arena(to);
    const at = claims.base(to);
    const next = keys[at + NEXT] as number;
    if ((next & CROWDED) !== 0) this.#crowds.set(next ^ CROWDED, claims.owner(to), to, keys[at + WORD] as number);
    if (this.#buckets.replace(keys, at, from, to) || (next & CROWDED) !== 0) return;
    claims.setNext(this.#before(from, this.#buckets.find(keys, at)), to);
  }

  /** The claim whose next one is `claim`, in the list that begins with `first`. */
  #before(claim: ClaimId, first: ClaimId): ClaimId {
    let before = first;
    for (let next = this.#claims.next(before); next !== claim; next = this.#claims.next(before)) before = next;
    return before;
  }
}

import { type ClaimId, NIL } from "./claim-pages.ts";
import { CLAIM_BYTES, ClaimTable } from "./claim-table.ts";
import type { PodSlot } from "./pod-slot.ts";

/** Bytes of a claim whose order is kept. */
export const RECENT_CLAIM_BYTES = CLAIM_BYTES + 8;

const NEWER = 0;
const OLDER = 1;
const ARENA_BITS = 14;
const ARENA_MASK = (1 << ARENA_BITS) - 1;

/**
 * Claims in the order in which they were last touched, either pod by pod or all together: lists through the claims of
 * a table, so that finding the oldest costs no search. 8 bytes a claim more.
 */
export class RecentClaims {
  readonly table = new ClaimTable();
  readonly #order: "by pod" | "all together";
  readonly #arenas: Uint32Array[] = [];
  /** By list: a pod's slot, or 0. */
  readonly #newest: number[] = [];
  readonly #oldest: number[] = [];

  constructor(order: "by pod" | "all together") {
    this.#order = order;
  }

  get allocatedBytes(): number {
    return this.table.allocatedBytes + this.#arenas.length * (8 << ARENA_BITS);
  }

  get usedBytes(): number {
    return this.table.usedBytes + this.table.size * (RECENT_CLAIM_BYTES - CLAIM_BYTES);
  }

  /** Adds a claim or replaces the word of the one that is there; either way it is now the newest. */
  touch(keys: Uint32Array, at: number, pod: PodSlot, word: number): void {
    const { size } = this.table;
    const claim = this.table.put(keys, at, pod, word);
    const list = this.#listOf(pod);
    if (this.table.size > size) {
      if (claim >>> ARENA_BITS >= this.#arenas.length) this.#grow(claim >>> ARENA_BITS);
    } else {
      if (this.#newest[list] === claim) return;
      this.#unlink(claim, list);
    }
    this.#linkAsNewest(claim, list);
  }

  /** Takes a claim out. */
  delete(claim: ClaimId): void {
    const list = this.#listOf(this.table.owner(claim));
    this.#unlink(claim, list);
    const moved = this.table.delete(claim);
    if (moved !== NIL) this.#renumber(moved, claim, list);
  }

  /** Removes a pod's claim on a segment. True if it was there. */
  remove(keys: Uint32Array, at: number, pod: PodSlot): boolean {
    const claim = this.table.find(keys, at, pod);
    if (claim === NIL) return false;
    this.delete(claim);
    return true;
  }

  /** Removes all claims of a pod, in time proportional to their number. Returns how many there were. */
  clearPod(pod: PodSlot): number {
    const removed = this.table.podSize(pod);
    for (let claim = this.table.last(pod); claim !== NIL; claim = this.table.last(pod)) this.delete(claim);
    return removed;
  }

  /** The claim that nobody touched for longest: of the pod where lists are by pod, of all otherwise. NIL without one. */
  oldest(pod: PodSlot): ClaimId {
    return this.#oldest[this.#listOf(pod)] ?? NIL;
  }

  /** Segments of a list's claims, the newest first, `most` of them. */
  newestSegments(pod: PodSlot, most: number): Uint32Array {
    const list = this.#listOf(pod);
    const segments = new Uint32Array(2 * Math.min(most, this.#order === "by pod" ? this.table.podSize(pod) : most));
    let length = 0;
    for (let claim = this.#newest[list] ?? NIL; claim !== NIL; claim = this.#get(claim, OLDER)) {
      if (length === segments.length) break;
      segments[length++] = this.table.low(claim);
      segments[length++] = this.table.high(claim);
    }
    return segments.subarray(0, length);
  }

  #listOf(pod: PodSlot): number {
    return this.#order === "by pod" ? pod : 0;
  }

  #linkAsNewest(claim: ClaimId, list: number): void {
    const previous = this.#newest[list] ?? NIL;
    this.#set(claim, NEWER, NIL);
    this.#set(claim, OLDER, previous);
    if (previous === NIL) this.#oldest[list] = claim;
    else this.#set(previous, NEWER, claim);
    this.#newest[list] = claim;
  }

  #unlink(claim: ClaimId, list: number): void {
    const newer = this.#get(claim, NEWER);
    const older = this.#get(claim, OLDER);
    if (newer === NIL) this.#newest[list] = older;
    else this.#set(newer, OLDER, older);
    if (older === NIL) this.#oldest[list] = newer;
    else this.#set(older, NEWER, newer);
  }

  #renumber(from: ClaimId, to: ClaimId, list: number): void {
    const newer = this.#get(from, NEWER);
    const older = this.#get(from, OLDER);
    this.#set(to, NEWER, newer);
    this.#set(to, OLDER, older);
    if (newer === NIL) this.#newest[list] = to;
    else this.#set(newer, OLDER, to);
    if (older === NIL) this.#oldest[list] = to;
    else this.#set(older, NEWER, to);
  }

  #get(claim: ClaimId, field: number): number {
    return (this.#arenas[claim >>> ARENA_BITS] as Uint32Array)[((claim & ARENA_MASK) << 1) + field] as number;
  }

  #set(claim: ClaimId, field: number, value: number): void {
    (this.#arenas[claim >>> ARENA_BITS] as Uint32Array)[((claim & ARENA_MASK) << 1) + field] = value;
  }

  #grow(arena: number): void {
    while (arena >= this.#arenas.length) this.#arenas.push(new Uint32Array(2 << ARENA_BITS));
  }
}

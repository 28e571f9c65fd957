import { MOST_SLOTS, type PodSlot } from "./pod-slot.ts";

/** A claim's number: its page and its place in it. */
export type ClaimId = number;

/** No claim: the first page is never handed out. */
export const NIL: ClaimId = 0;

/** Bits of a claim's number: 4 million claims in one table. */
export const CLAIM_ID_BITS = 22;

/** Words of a claim: its segment's hash, the caller's word, and the next claim on the same segment. */
export const LOW = 0;
export const HIGH = 1;
export const WORD = 2;
export const NEXT = 3;
const STRIDE_BITS = 2;

const PAGE_BITS = 6;
const PAGE_MASK = (1 << PAGE_BITS) - 1;
const ARENA_BITS = 14;
const ARENA_MASK = (1 << ARENA_BITS) - 1;
const PAGES_PER_ARENA_BITS = ARENA_BITS - PAGE_BITS;

/**
 * The claims themselves, four words each, in pages of 64 that belong to one pod. A page's owner is noted once instead
 * of with each claim, and the claims of a pod are found without links between them.
 *
 * A pod's claims are dense: the last one moves into the place of one that goes. So a pod has at most one page that is
 * not full, and its pages go back to all as it shrinks. Arenas of 256 pages are allocated once and never copied.
 */
export class ClaimPages {
  readonly #arenas: Uint32Array[] = [];
  /** By page. */
  #owners = new Uint16Array(1 << PAGES_PER_ARENA_BITS);
  readonly #freePages: number[] = [];
  #nextPage = 1;
  /** By pod: its pages, in the order they were filled, and its claims. */
  readonly #pages: (number[] | undefined)[] = [];
  readonly #lastPages = new Uint32Array(MOST_SLOTS);
  readonly #sizes = new Uint32Array(MOST_SLOTS);
  #slotBound = 0;

  get allocatedBytes(): number {
    return this.#arenas.length << (ARENA_BITS + STRIDE_BITS + 2);
  }

  /** One more than the highest slot that ever had a claim. */
  get slotBound(): number {
    return this.#slotBound;
  }

  /** Claims of a pod. */
  podSize(pod: PodSlot): number {
    return this.#sizes[pod] as number;
  }

  /** The pod a claim belongs to. */
  owner(claim: ClaimId): PodSlot {
    return this.#owners[claim >>> PAGE_BITS] as number;
  }

  /** The array a claim's words are in, from `base(claim)` on. */
  arena(claim: ClaimId): Uint32Array {
    return this.#arenas[claim >>> ARENA_BITS] as Uint32Array;
  }

  base(claim: ClaimId): number {
    return (claim & ARENA_MASK) << STRIDE_BITS;
  }

  next(claim: ClaimId): number {
    return this.arena(claim)[this.base(claim) + NEXT] as number;
  }

  setNext(claim: ClaimId, next: number): void {
    this.arena(claim)[this.base(claim) + NEXT] = next;
  }

  word(claim: ClaimId): number {
    return this.arena(claim)[this.base(claim) + WORD] as number;
  }

  /** Adds a claim of a pod on the segment at `keys[at]`, without a next one. */
  append(keys: Uint32Array, at: number, pod: PodSlot, word: number): ClaimId {
    const size = this.#sizes[pod] as number;
    const page = (size & PAGE_MASK) === 0 ? this.#openPage(pod) : (this.#lastPages[pod] as number);
    const claim = (page << PAGE_BITS) | (size & PAGE_MASK);
    this.#sizes[pod] = size + 1;
    const arena = this.arena(claim);
    const base = this.base(claim);
    arena[base + LOW] = keys[at] as number;
    arena[base + HIGH] = keys[at + 1] as number;
    arena[base + WORD] = word;
    arena[base + NEXT] = NIL;
    return claim;
  }

  /** The claim of a pod that was put last in its pages, or none. */
  last(pod: PodSlot): ClaimId {
    const size = this.#sizes[pod] as number;
    return size === 0 ? NIL : ((this.#lastPages[pod] as number) << PAGE_BITS) | ((size - 1) & PAGE_MASK);
  }

  /** Takes a claim out; the pod's last one moves into its place. Returns the number that one had, NIL if none moved. */
  drop(claim: ClaimId): ClaimId {
    const pod = this.owner(claim);
    const last = this.last(pod);
    if (last !== claim) {
      const from = this.arena(last);
      const fromBase = this.base(last);
      const to = this.arena(claim);
      const toBase = this.base(claim);
      to[toBase + LOW] = from[fromBase + LOW] as number;
      to[toBase + HIGH] = from[fromBase + HIGH] as number;
      to[toBase + WORD] = from[fromBase + WORD] as number;
      to[toBase + NEXT] = from[fromBase + NEXT] as number;
    }
    const size = (this.#sizes[pod] as number) - 1;
    this.#sizes[pod] = size;
    if ((size & PAGE_MASK) === 0) this.#closePage(pod);
    return last === claim ? NIL : last;
  }

  /** All claims of a pod, in no particular order. Valid until the next change. */
  claims(pod: PodSlot): Uint32Array {
    const size = this.podSize(pod);
    const pages = this.#pages[pod] ?? [];
    const claims = new Uint32Array(size);
    for (let i = 0; i < size; i++) claims[i] = ((pages[i >>> PAGE_BITS] as number) << PAGE_BITS) | (i & PAGE_MASK);
    return claims;
  }

  #openPage(pod: PodSlot): number {
    if (pod >= MOST_SLOTS) throw new RangeError(`slot ${pod} is past the ${MOST_SLOTS} a claim table has`);
    const page = this.#freePages.pop() ?? this.#newPage();
    this.#owners[page] = pod;
    this.#lastPages[pod] = page;
    const pages = this.#pages[pod];
    if (pages === undefined) this.#pages[pod] = [page];
    else pages.push(page);
    if (pod >= this.#slotBound) this.#slotBound = pod + 1;
    return page;
  }

  #closePage(pod: PodSlot): void {
    const pages = this.#pages[pod] as number[];
    this.#freePages.push(pages.pop() as number);
    this.#lastPages[pod] = pages.at(-1) ?? 0;
  }

  #newPage(): number {
    const page = this.#nextPage++;
    if (page >>> (CLAIM_ID_BITS - PAGE_BITS) > 0) throw new RangeError("a claim table holds 4 million claims at most");
    const arena = page >>> PAGES_PER_ARENA_BITS;
    if (arena >= this.#arenas.length) this.#arenas.push(new Uint32Array(1 << (ARENA_BITS + STRIDE_BITS)));
    if (page >= this.#owners.length) {
      // Two bytes a page of 1,024: small enough to be copied.
      const grown = new Uint16Array(2 * this.#owners.length);
      grown.set(this.#owners);
      this.#owners = grown;
    }
    return page;
  }
}

import type { ClaimTier } from "../../src/routing/confirmed-claims.ts";
import type { SpeculativeClaim } from "../../src/routing/speculative-claims.ts";

/** A pod's claims as plain maps, by word; those of the host tier and the speculative ones oldest first. */
type PodModel = { readonly gpu: Map<number, number>; readonly speculative: Map<number, number> };

/** Bytes a claim is counted at. */
const PLAIN = 24;
const ORDERED = 32;

/**
 * All claims of a few pods as maps of sets, kept by the slow and plain way of doing what `PodClaims` promises. A segment
 * is one word here. As a segment's hash covers all before it, a word comes behind the same words in every prompt.
 */
export class ClaimsModel {
  readonly #pods: readonly PodModel[];
  /** Tokens by `pod word`, the oldest touched of all pods first. */
  readonly host = new Map<string, number>();
  readonly #mostBytes: number;
  dropped = 0;

  constructor(pods: number, mostBytes: number) {
    this.#pods = Array.from({ length: pods }, () => ({ gpu: new Map(), speculative: new Map() }));
    this.#mostBytes = mostBytes;
  }

  pod(pod: number): PodModel {
    return this.#pods[pod] as PodModel;
  }

  hostTokens(pod: number, word: number): number | undefined {
    return this.host.get(`${pod} ${word}`);
  }

  hostSize(pod: number): number {
    return [...this.host.keys()].filter((key) => key.startsWith(`${pod} `)).length;
  }

  isConfirmed(pod: number, word: number): boolean {
    return this.pod(pod).gpu.has(word) || this.hostTokens(pod, word) !== undefined;
  }

  bytes(): number {
    const sizes = this.#pods.map(({ gpu, speculative }) => PLAIN * gpu.size + ORDERED * speculative.size);
    return sizes.reduce((sum, size) => sum + size, ORDERED * this.host.size);
  }

  store(pod: number, tier: ClaimTier, words: readonly number[], tokens: Uint32Array): void {
    const { gpu } = this.pod(pod);
    // The host tier takes the deepest first, so that it is the oldest.
    const order = tier === "gpu" ? [...words.keys()] : [...words.keys()].reverse();
    for (const i of order) {
      const word = words[i] as number;
      const count = tokens[i] as number;
      const key = `${pod} ${word}`;
      if (tier === "gpu") this.host.delete(key);
      else gpu.delete(word);
      const known = tier === "gpu" ? gpu.has(word) : this.host.has(key);
      if (!known && !this.#makeRoom(tier === "gpu" ? PLAIN : ORDERED)) {
        this.dropped++;
      } else if (tier === "gpu") {
        gpu.set(word, count);
      } else {
        this.host.delete(key);
        this.host.set(key, count);
      }
    }
  }

  remove(pod: number, words: readonly number[]): void {
    for (const word of words) {
      this.pod(pod).gpu.delete(word);
      this.host.delete(`${pod} ${word}`);
    }
  }

  clear(pod: number): void {
    this.restate(pod);
    this.pod(pod).speculative.clear();
  }

  claim(pod: number, { segments, start, stamp }: SpeculativeClaim, ttlMs: number, capacity: number): void {
    const { speculative } = this.pod(pod);
    for (const word of wordsOf(segments).slice(start).reverse()) {
      speculative.delete(word);
      speculative.set(word, stamp);
    }
    this.#evict(speculative, (oldest) => oldest < stamp - ttlMs);
    this.#evict(speculative, () => speculative.size > capacity);
    while (this.bytes() > this.#mostBytes && this.#dropOldestInHost());
    this.#evict(speculative, () => this.bytes() > this.#mostBytes);
  }

  /** Takes back what the claim brought, where nobody has touched it since. */
  takeBack(pod: number, { segments, stamp, from }: SpeculativeClaim): void {
    const { speculative } = this.pod(pod);
    for (const word of wordsOf(segments).slice(from)) if (speculative.get(word) === stamp) speculative.delete(word);
  }

  /** Drops a claim, but for what others have claimed too. */
  end(pod: number, claim: SpeculativeClaim, others: readonly SpeculativeClaim[]): void {
    const held = new Set(others.flatMap(({ segments, start }) => wordsOf(segments).slice(start)));
    for (const word of wordsOf(claim.segments).slice(claim.start)) {
      if (!held.has(word)) this.pod(pod).speculative.delete(word);
    }
  }

  /** What was confirmed is void. */
  restate(pod: number): void {
    this.pod(pod).gpu.clear();
    for (const key of [...this.host.keys()]) if (key.startsWith(`${pod} `)) this.host.delete(key);
  }

  #makeRoom(bytes: number): boolean {
    while (this.bytes() + bytes > this.#mostBytes) if (!this.#dropOldestInHost()) return false;
    return true;
  }

  #dropOldestInHost(): boolean {
    const [oldest] = this.host.keys();
    return oldest !== undefined && this.host.delete(oldest);
  }

  #evict(claims: Map<number, number>, goes: (stamp: number) => boolean): void {
    for (const [word, stamp] of claims) {
      if (!goes(stamp)) return;
      claims.delete(word);
    }
  }
}

/** The segments whose hashes stand for these words. */
export function segmentsOf(words: readonly number[]): Uint32Array {
  return Uint32Array.from(words.flatMap((word) => [word, ~word]));
}

/** The words that these segments' hashes stand for. */
export function wordsOf(segments: Uint32Array): number[] {
  return [...segments].filter((_, i) => i % 2 === 0);
}

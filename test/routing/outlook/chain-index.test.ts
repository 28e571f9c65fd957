import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChainIndex } from "../../../src/routing/outlook/chain-index.ts";

/** Segment hashes of a prompt of which `shared` segments are those of conversation `a`, the others of `b`. */
function prompt(a: number, shared: number, b: number, length: number): Uint32Array {
  const words = new Uint32Array(2 * length);
  for (let i = 0; i < length; i++) {
    words[2 * i] = Math.imul((i < shared ? a : b) * 7_919 + i, 2_654_435_761);
    words[2 * i + 1] = i;
  }
  return words;
}

type NamedChain = { readonly id: number; readonly name: string };

/** A chain for each of some names. */
function named<Name extends string>(...names: readonly Name[]): Readonly<Record<Name, NamedChain>> {
  const chains: Partial<Record<Name, NamedChain>> = {};
  for (const [i, name] of names.entries()) chains[name] = { id: i + 1, name };
  return chains as Record<Name, NamedChain>;
}

describe("ChainIndex", () => {
  it("finds the chain that a longer prompt goes on with, to within 16 segments and half of it", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 300 }), (length, more) => {
        const index = new ChainIndex<NamedChain>(4_096);
        index.mark(prompt(1, length, 1, length), named("first").first);
        const found = index.deepest(prompt(1, length, 2, length + more));
        expect(found?.chain.name).toBe("first");
        expect(found?.segments).toBeLessThanOrEqual(length);
        expect(found?.segments).toBeGreaterThan(Math.max(length - 16, length / 2 - 1));
      }),
    );
  });

  it("knows no strangers, and nothing of a prompt without segments", () => {
    const index = new ChainIndex<NamedChain>(4_096);
    index.mark(prompt(1, 100, 1, 100), named("first").first);
    expect(index.deepest(prompt(3, 100, 3, 100))).toBeUndefined();
    expect(index.deepest(new Uint32Array(0))).toBeUndefined();
  });

  it("gives shared segments to whoever was there last, and the rest to their own chain", () => {
    const index = new ChainIndex<NamedChain>(4_096);
    const { first, fork } = named("first", "fork");
    index.mark(prompt(1, 64, 1, 64), first);
    index.mark(prompt(1, 32, 2, 64), fork);
    expect(index.deepest(prompt(1, 64, 1, 64))).toEqual({ chain: first, segments: 64, takeovers: 0 });
    expect(index.deepest(prompt(1, 32, 2, 64))).toEqual({ chain: fork, segments: 64, takeovers: 0 });
    expect(index.deepest(prompt(1, 32, 3, 64))).toEqual({ chain: fork, segments: 32, takeovers: 1 });
  });

  it("counts how often a segment changed hands, less how often it was kept", () => {
    const index = new ChainIndex<NamedChain>(4_096);
    const { a, b, c } = named("a", "b", "c");
    const takeovers = () => index.deepest(prompt(1, 32, 9, 64))?.takeovers;
    for (const chain of [a, b, c]) index.mark(prompt(1, 32, chain.id + 1, 64), chain);
    expect(takeovers()).toBe(2);
    index.mark(prompt(1, 32, c.id + 1, 80), c);
    expect(takeovers()).toBe(1);
  });

  it("forgets the oldest marks when it is full, and keeps its size", () => {
    const index = new ChainIndex<{ id: number }>(64);
    for (let id = 1; id <= 1_000; id++) index.mark(prompt(id, 16, id, 16), { id });
    expect(index.deepest(prompt(1_000, 16, 1_000, 16))?.chain).toEqual({ id: 1_000 });
    expect(index.deepest(prompt(1, 16, 1, 16))).toBeUndefined();
  });

  it("knows a quarter as many chains as marks, the last ones", () => {
    const index = new ChainIndex<{ id: number }>(1_024);
    for (let id = 1; id <= 300; id++) index.mark(prompt(id, 1, id, 1), { id });
    const known = (id: number) => index.deepest(prompt(id, 1, id, 1)) !== undefined;
    expect([known(1), known(44), known(300)]).toEqual([false, false, true]);
    expect(known(45)).toBe(true);
  });
});

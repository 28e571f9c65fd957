import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type LoadedTokenizer, TokenizerStore } from "../../../../src/collector/translate/tokenizer/tokenizer-store.ts";
import { loadQwenTokenizer } from "../../../../src/sim/engine/qwen-tokenizer.ts";
import { QWEN_FILE } from "./qwen-file.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "warmpath-tokenizer-"));
});

afterEach(() => rm(folder, { recursive: true }));

async function loaded(store: TokenizerStore, file: string): Promise<Extract<LoadedTokenizer, { ok: true }>> {
  const tokenizer = await store.load(file);
  if (!tokenizer.ok) throw new Error(tokenizer.message);
  return tokenizer;
}

/** A byte-level BPE with a token for each byte and one merge. */
function tinyTokenizer(more: Record<string, unknown> = {}, model: Record<string, unknown> = {}) {
  const letters = Array.from({ length: 256 }, (_, byte) => byteCharacter(byte));
  return {
    added_tokens: [{ id: 300, content: "<|end|>", special: true }],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    decoder: { type: "ByteLevel" },
    model: {
      type: "BPE",
      vocab: { ...Object.fromEntries(letters.map((letter, id) => [letter, id])), ab: 256, Ġab: 257, abc: 258 },
      merges: [
        ["a", "b"],
        ["Ġ", "ab"],
      ],
      ...model,
    },
    ...more,
  };
}

function byteCharacter(byte: number): string {
  const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  if (printable) return String.fromCharCode(byte);
  const others = Array.from({ length: byte }, (_, i) => i).filter(
    (i) => !((i >= 33 && i <= 126) || (i >= 161 && i <= 172) || i >= 174),
  );
  return String.fromCharCode(0x100 + others.length);
}

describe("TokenizerStore", () => {
  it("knows the bytes and the tokens of a real tokenizer as another implementation does", async () => {
    const { tokenBytes, encoder } = await loaded(new TokenizerStore(), QWEN_FILE);
    const qwen = loadQwenTokenizer();
    for (let id = 0; id < qwen.vocabularySize; id += 7) {
      const bytes = tokenBytes.bytes.subarray(tokenBytes.starts[id], tokenBytes.starts[id + 1]);
      expect(Buffer.from(bytes).equals(Buffer.from(qwen.bytesOf(id))), `token ${id}`).toBe(true);
    }
    const text = fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: fc.constantFrom(..."ab cd'sl\n\t1.E ") }));
    fc.assert(
      fc.property(text, (written) => {
        fc.pre(!written.includes("<|"));
        const ids = encoder?.preTokens(written).flatMap((piece) => [...(encoder.encodePreToken(piece) ?? [])]);
        expect(ids).toEqual([...qwen.encode(written)]);
      }),
      { numRuns: 1000 },
    );
  });

  it("reads each file once", async () => {
    const store = new TokenizerStore();
    const file = join(folder, "tokenizer.json");
    await writeFile(file, JSON.stringify(tinyTokenizer()));
    const [one, other] = await Promise.all([store.load(file), store.load(file)]);
    expect(one).toBe(other);
  });

  it("cuts and joins as the file says", async () => {
    const file = join(folder, "tokenizer.json");
    await writeFile(file, JSON.stringify(tinyTokenizer()));
    const { encoder } = await loaded(new TokenizerStore(), file);
    expect(encoder?.preTokens("ab ab1 x")).toEqual(["ab", " ab", "1", " x"]);
    expect(encoder?.encodePreToken(" ab")).toEqual(Uint32Array.of(257));
    expect(encoder?.encodePreToken("abc")).toEqual(Uint32Array.of(256, "c".charCodeAt(0)));
  });

  it("takes a pre-token that is a token for that token where the file says so", async () => {
    const file = join(folder, "tokenizer.json");
    await writeFile(file, JSON.stringify(tinyTokenizer({}, { ignore_merges: true })));
    const { encoder } = await loaded(new TokenizerStore(), file);
    expect(encoder?.encodePreToken("abc")).toEqual(Uint32Array.of(258));
  });

  it.each([
    ["normalizer", tinyTokenizer({ normalizer: { type: "Lowercase" } })],
    ["pre-tokenizer Whitespace", tinyTokenizer({ pre_tokenizer: { type: "Whitespace" } })],
    ["merges", tinyTokenizer({}, { merges: [["a", "zz"]] })],
  ])("knows the bytes but cannot encode where the %s is unknown", async (why, tokenizer) => {
    const file = join(folder, "tokenizer.json");
    await writeFile(file, JSON.stringify(tokenizer));
    const { tokenBytes, encoder, withoutEncoder } = await loaded(new TokenizerStore(), file);
    expect(tokenBytes.lengthOf(256)).toBe(2);
    expect(encoder).toBeUndefined();
    expect(withoutEncoder).toContain(why);
  });

  it("says what is wrong with a file, and reads it again when asked again", async () => {
    const store = new TokenizerStore();
    const file = join(folder, "tokenizer.json");
    expect(await store.load(file)).toMatchObject({ ok: false, message: expect.stringContaining("ENOENT") });
    await writeFile(file, "{}");
    expect(await store.load(file)).toMatchObject({ ok: false, message: expect.stringContaining("model") });
    await writeFile(file, JSON.stringify(tinyTokenizer()));
    expect(await store.load(file)).toMatchObject({ ok: true });
  });
});

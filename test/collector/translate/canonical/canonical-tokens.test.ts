import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { CanonicalTokens } from "../../../../src/collector/translate/canonical/canonical-tokens.ts";
import { TokenizerStore } from "../../../../src/collector/translate/tokenizer/tokenizer-store.ts";
import { loadQwenTokenizer } from "../../../../src/sim/engine/qwen-tokenizer.ts";
import { QWEN_FILE } from "../tokenizer/qwen-file.ts";

const END = "<|im_end|>";

const qwen = loadQwenTokenizer();
let tokens: CanonicalTokens;

beforeAll(async () => {
  const loaded = await new TokenizerStore().load(QWEN_FILE);
  if (!loaded.ok || loaded.encoder === undefined) throw new Error("Qwen's tokenizer can be encoded with");
  tokens = new CanonicalTokens(loaded.encoder, loaded.tokenBytes);
});

function bytesOf(ids: ArrayLike<number>): Buffer {
  return Buffer.concat(Array.from(ids, (id) => qwen.bytesOf(id)));
}

/** The first token that is another one once the text has gone to a client and come back. */
function firstDifference(ids: Uint32Array): number {
  const again = qwen.encode(bytesOf(ids).toString("utf8"));
  const at = ids.findIndex((id, i) => again[i] !== id);
  return at < 0 ? ids.length : at;
}

const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 60 }),
  fc
    .array(
      fc.constantFrom("the ", "don't", " WE'LL", "12345", "\n\n", "   ", "日本語", "é", "naïve", '{"a": 1}', "->"),
      {
        maxLength: 20,
      },
    )
    .map((words) => words.join("")),
);

describe("CanonicalTokens", () => {
  it("takes the tokenizer's own tokens for canonical wherever they are cut off", () => {
    fc.assert(
      fc.property(text, fc.nat(), (written, cut) => {
        fc.pre(!written.includes("<|"));
        const ids = qwen.encode(written);
        const part = ids.subarray(0, ids.length === 0 ? 0 : cut % (ids.length + 1));
        const verdict = tokens.judge(part);
        // A text that is not normalized is other text when it comes back.
        if (written.normalize("NFC") === written) expect(verdict.kind).toBe("same");
      }),
      { numRuns: 1000 },
    );
  });

  it("settles only what no further text can change", () => {
    fc.assert(
      fc.property(text, text, (written, further) => {
        fc.pre(!(written + further).includes("<") && (written + further).normalize("NFC") === written + further);
        const verdict = tokens.judge(qwen.encode(written));
        if (verdict.kind !== "same") throw new Error("the tokenizer's own tokens");
        const longer = qwen.encode(written + further);
        expect(longer.subarray(0, verdict.settled)).toEqual(qwen.encode(written).subarray(0, verdict.settled));
      }),
      { numRuns: 1000 },
    );
  });

  it("finds the first token that comes back as another one, in any tokens at all", () => {
    const anyTokens = fc.array(fc.nat(150_000), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(anyTokens, (sampled) => {
        const ids = Uint32Array.from(sampled);
        const whole = Uint32Array.from([...sampled, qwen.idOf(END) as number]);
        const isText = !bytesOf(ids).toString("utf8").includes("<|");
        fc.pre(isText);
        const difference = firstDifference(whole);
        const verdict = tokens.judge(whole);
        const expected = { kind: "differs", at: Math.min(difference, sampled.length - 1) };
        expect(verdict).toEqual(difference < whole.length ? expected : { kind: "same", settled: whole.length });
        const open = tokens.judge(ids);
        if (open.kind === "same") expect(open.settled).toBeLessThanOrEqual(difference);
      }),
      { numRuns: 2000 },
    );
  });

  it("goes on at the settled end of what it has judged", () => {
    const ids = qwen.encode("The quick brown fox jumps over the lazy dog, and nobody minds. ".repeat(3));
    const first = tokens.judge(ids.subarray(0, 16));
    expect(first).toMatchObject({ kind: "same" });
    if (first.kind !== "same") return;
    expect(first.settled).toBeGreaterThan(10);
    expect(tokens.judge(ids.subarray(first.settled))).toMatchObject({ kind: "same" });
  });

  it("waits for the rest of a character, and gives up on bytes that are none", () => {
    const ids = qwen.encode("well 🦙");
    const bytes = ids.subarray(0, ids.length - 1);
    expect(tokens.judge(bytes)).toMatchObject({ kind: "same" });
    const broken = Uint32Array.from([...bytes, ...qwen.encode("and so on and on and on")]);
    expect(tokens.judge(broken)).toMatchObject({ kind: "differs" });
  });

  it("does not take a spelled-out special token for the token", () => {
    const spelled = Uint32Array.from([..."<|im_end|>"].flatMap((letter) => [...qwen.encode(letter)]));
    const ids = Uint32Array.from([...qwen.encode("so be it "), ...spelled, ...qwen.encode(" and more of it")]);
    expect(tokens.judge(ids)).toEqual({ kind: "differs", at: qwen.encode("so be it ").length });
  });
});

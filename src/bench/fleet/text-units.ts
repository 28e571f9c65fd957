import { loadSegmentHasher } from "../../prefix/segment-hash.ts";
import { type BlockHash, createBlockHasher } from "../../sim/engine/block-hash.ts";
import { loadQwenTokenizer } from "../../sim/engine/qwen-tokenizer.ts";

/** A way to cut texts into units that hash alike where all before them is alike. */
export type TextUnits = {
  readonly unitTokens: number;
  /** Length of a text, and the hashes of its full units. */
  readonly of: (text: string) => { readonly tokens: number; readonly hashes: readonly bigint[] };
};

const TOKENS_A_UNIT = 16;

/**
 * In tokens of Qwen3, as the simulated engines have them. Recorded texts are not of one density: a system prompt has
 * twice the bytes a token of the tool results behind it, and how much sessions share depends on that.
 */
export function tokenUnits(): TextUnits {
  const tokenizer = loadQwenTokenizer();
  const hasher = createBlockHasher("fast", "units");
  return {
    unitTokens: TOKENS_A_UNIT,
    of: (text) => {
      const tokens = tokenizer.encode(text);
      const hashes: bigint[] = [];
      let parent: BlockHash | null = null;
      for (let end = TOKENS_A_UNIT; end <= tokens.length; end += TOKENS_A_UNIT) {
        parent = hasher.hashBlock(parent, tokens, end - TOKENS_A_UNIT, end, null);
        hashes.push(parent.wire);
      }
      return { tokens: tokens.length, hashes };
    },
  };
}

const BYTES_A_TOKEN = 4;
const BYTES_A_UNIT = 256;

/** By bytes, four of which are taken for a token: for texts made up to be of some length. */
export async function byteUnits(): Promise<TextUnits> {
  const hasher = await loadSegmentHasher();
  const encoder = new TextEncoder();
  return {
    unitTokens: BYTES_A_UNIT / BYTES_A_TOKEN,
    of: (text) => {
      const bytes = encoder.encode(text);
      const words = hasher.chain(bytes, 0n, BYTES_A_UNIT, Number.MAX_SAFE_INTEGER);
      const hashes: bigint[] = [];
      for (let i = 0; i < words.length; i += 2) {
        hashes.push((BigInt(words[i + 1] as number) << 32n) | BigInt(words[i] as number));
      }
      return { tokens: Math.floor(bytes.length / BYTES_A_TOKEN), hashes };
    },
  };
}

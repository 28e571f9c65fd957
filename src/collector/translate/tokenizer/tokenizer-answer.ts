import type { BytePairRulesResult } from "./byte-pair-rules.ts";

/** What the reading process sends back, once. */
export type TokenizerAnswer =
  | {
      readonly ok: true;
      readonly bytes: Uint8Array<ArrayBuffer>;
      readonly starts: Uint32Array<ArrayBuffer>;
      readonly rules: BytePairRulesResult;
    }
  | { readonly ok: false; readonly message: string };

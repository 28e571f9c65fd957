import * as z from "zod";

const component: z.ZodType<TokenizerComponent> = z.looseObject({
  type: z.string(),
  get normalizers() {
    return z.array(component).optional();
  },
  get pretokenizers() {
    return z.array(component).optional();
  },
  get decoders() {
    return z.array(component).optional();
  },
  get processors() {
    return z.array(component).optional();
  },
});

/** A normalizer, pre-tokenizer, post-processor or decoder; a `Sequence` holds several. */
export type TokenizerComponent = {
  readonly type: string;
  readonly normalizers?: readonly TokenizerComponent[] | undefined;
  readonly pretokenizers?: readonly TokenizerComponent[] | undefined;
  readonly decoders?: readonly TokenizerComponent[] | undefined;
  readonly processors?: readonly TokenizerComponent[] | undefined;
  readonly [field: string]: unknown;
};

const tokenId = z.number().int().min(0);

const tokenizerFile = z.looseObject({
  added_tokens: z
    .array(
      z.looseObject({
        id: tokenId,
        content: z.string(),
        single_word: z.boolean().default(false),
        lstrip: z.boolean().default(false),
        rstrip: z.boolean().default(false),
      }),
    )
    .default([]),
  normalizer: component.nullish(),
  pre_tokenizer: component.nullish(),
  post_processor: component.nullish(),
  decoder: component.nullish(),
  model: z.looseObject({
    type: z.string().optional(),
    /** Piece to id (BPE), or pieces with their scores in the order of their ids (Unigram). */
    vocab: z.union([z.record(z.string(), tokenId), z.array(z.tuple([z.string(), z.number()]))]),
  }),
});

/** The parts of a `tokenizer.json` of the tokenizers library that are read here. */
export type TokenizerFile = z.infer<typeof tokenizerFile>;

/** A tokenizer.json checked, or the first field that is not as expected. */
export type TokenizerFileResult =
  | { readonly ok: true; readonly file: TokenizerFile }
  | { readonly ok: false; readonly message: string };

/** Checks the value of a tokenizer.json. */
export function readTokenizerFile(value: unknown): TokenizerFileResult {
  const parsed = tokenizerFile.safeParse(value);
  if (parsed.success) return { ok: true, file: parsed.data };
  const [issue] = parsed.error.issues;
  return {
    ok: false,
    message: `tokenizer.json: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not as expected"}`,
  };
}

/** A component and, if it is a `Sequence`, all it holds instead. */
export function flatComponents(of: TokenizerComponent | null | undefined): readonly TokenizerComponent[] {
  if (of === null || of === undefined) return [];
  if (of.type !== "Sequence") return [of];
  return (of.normalizers ?? of.pretokenizers ?? of.decoders ?? of.processors ?? []).flatMap(flatComponents);
}

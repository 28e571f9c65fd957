/** What a vocabulary must offer to become a `TokenBytes`; `Vocabulary` in src/prefix is one. */
export type VocabularyBytes = {
  /** One more than the highest id. */
  readonly idLimit: number;
  /** The bytes of a token; undefined for an id without token. */
  bytesOf(id: number): Uint8Array | undefined;
};

/**
 * The bytes of every token of a vocabulary, flat: those of id `i` are `bytes[starts[i]]` up to `bytes[starts[i + 1]]`.
 * Plain arrays, so that they pass from a worker thread without a copy and a run of tokens is spelled without allocating.
 */
export class TokenBytes {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly starts: Uint32Array<ArrayBuffer>;

  /** `starts` has one entry more than there are ids. */
  constructor(bytes: Uint8Array<ArrayBuffer>, starts: Uint32Array<ArrayBuffer>) {
    this.bytes = bytes;
    this.starts = starts;
  }

  static of(vocabulary: VocabularyBytes): TokenBytes {
    const starts = new Uint32Array(vocabulary.idLimit + 1);
    for (let id = 0; id < vocabulary.idLimit; id++) {
      starts[id + 1] = (starts[id] as number) + (vocabulary.bytesOf(id)?.byteLength ?? 0);
    }
    const bytes = new Uint8Array(starts[vocabulary.idLimit] as number);
    for (let id = 0; id < vocabulary.idLimit; id++) {
      const token = vocabulary.bytesOf(id);
      if (token !== undefined) bytes.set(token, starts[id] as number);
    }
    return new TokenBytes(bytes, starts);
  }

  /** Bytes of a token; 0 for an id that is none. */
  lengthOf(id: number): number {
    if (!(id >= 0 && id < this.starts.length - 1)) return 0;
    return (this.starts[id + 1] as number) - (this.starts[id] as number);
  }

  /** The bytes of tokens, one after the other. */
  spell(ids: ArrayLike<number>, from = 0, to = ids.length): Buffer {
    let length = 0;
    for (let i = from; i < to; i++) length += this.lengthOf(ids[i] as number);
    const bytes = Buffer.allocUnsafe(length);
    let at = 0;
    for (let i = from; i < to; i++) {
      const size = this.lengthOf(ids[i] as number);
      this.copyTail(ids[i] as number, size, bytes, at);
      at += size;
    }
    return bytes;
  }

  /** Writes the last `length` bytes of a token to `out` at `at`. */
  copyTail(id: number, length: number, out: Uint8Array, at: number): void {
    const end = this.starts[id + 1] as number;
    // Most tokens have three to five bytes: a loop beats a view and `set`.
    for (let from = end - length, to = at; from < end; from++, to++) out[to] = this.bytes[from] as number;
  }
}

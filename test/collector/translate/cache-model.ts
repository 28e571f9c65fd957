import type { SegmentText } from "../../../src/collector/translate/segment-run.ts";
import type { ClaimedSegment } from "./edge-model.ts";
import { byteEnds, segmentsOf } from "./text-of-tokens.ts";

/** One block of an engine, with all the tokens before it. */
export type ModelBlock = {
  readonly hash: string;
  readonly parent: ModelBlock | undefined;
  readonly tokens: readonly number[];
  readonly adapter: string | undefined;
};

/** What an engine holds, block by block, and by brute force what may be claimed of it. */
export class CacheModel {
  readonly #text: SegmentText;
  readonly #blocks = new Map<string, ModelBlock>();
  readonly #gpu = new Set<string>();
  readonly #host = new Map<string, Set<string>>();

  constructor(text: SegmentText) {
    this.#text = text;
  }

  /** A block that is computed on the GPU is computed behind blocks that are there: all of them whose content is known. */
  store(block: ModelBlock, medium: string): void {
    this.#blocks.set(block.hash, block);
    if (medium !== "GPU") this.#hostMediaOf(block.hash).add(medium);
    else if (this.#isPlaced(block.parent)) for (const one of upwards(block)) this.#gpu.add(one.hash);
    else this.#gpu.add(block.hash);
  }

  #isPlaced(block: ModelBlock | undefined): boolean {
    return upwards(block).every(({ hash }) => this.#blocks.has(hash));
  }

  /** A block whose place is not known is known no more when it is nowhere and none waits behind it. */
  remove(hash: string, medium: string): void {
    if (medium === "GPU") this.#gpu.delete(hash);
    else this.#hostMediaOf(hash).delete(medium);
    for (const one of upwards(this.#blocks.get(hash))) {
      const isAwaited = [...this.#blocks.values()].some(({ parent }) => parent?.hash === one.hash);
      if (isAwaited || this.isPresent(one.hash) || this.#isPlaced(one)) break;
      this.#blocks.delete(one.hash);
    }
  }

  clear(): void {
    this.#blocks.clear();
    this.#gpu.clear();
    this.#host.clear();
  }

  isPresent(hash: string): boolean {
    return this.#gpu.has(hash) || this.#hostMediaOf(hash).size > 0;
  }

  /** A block and all before it are present: 2 on the GPU, 1 in some tier, 0 not. */
  heldGrade(block: ModelBlock): number {
    const own = this.#gpu.has(block.hash) ? 2 : this.isPresent(block.hash) ? 1 : 0;
    return block.parent === undefined ? own : Math.min(own, this.heldGrade(block.parent));
  }

  /** Every segment that is wholly in held blocks, with the best tier that some chain gives it. */
  claims(): Map<string, ClaimedSegment> {
    const grades = new Map<string, number>();
    const tokensOf = new Map<string, number>();
    for (const block of this.#blocks.values()) {
      const grade = this.heldGrade(block);
      if (grade === 0) continue;
      const end = byteEnds(this.#text, block.tokens).at(-1) ?? 0;
      for (const { name, endByte, tokens } of segmentsOf(this.#text, block.tokens, scopeOf(block))) {
        if (endByte > end) continue;
        grades.set(name, Math.max(grades.get(name) ?? 0, this.#gradeOf(block, endByte)));
        tokensOf.set(name, tokens);
      }
    }
    const tierOf = (grade: number) => (grade === 2 ? "gpu" : "host");
    return new Map(
      [...grades].map(([name, grade]) => [name, { tier: tierOf(grade), tokens: tokensOf.get(name) ?? 0 }]),
    );
  }

  /** The grade of the first block of the chain that goes beyond or to the byte. */
  #gradeOf(block: ModelBlock, endByte: number): number {
    const { parent } = block;
    const before = parent === undefined ? 0 : (byteEnds(this.#text, parent.tokens).at(-1) ?? 0);
    return parent !== undefined && before >= endByte ? this.#gradeOf(parent, endByte) : this.heldGrade(block);
  }

  #hostMediaOf(hash: string): Set<string> {
    let media = this.#host.get(hash);
    if (media === undefined) {
      media = new Set();
      this.#host.set(hash, media);
    }
    return media;
  }
}

function upwards(block: ModelBlock | undefined): ModelBlock[] {
  return block === undefined ? [] : [block, ...upwards(block.parent)];
}

export function scopeOf(block: ModelBlock): { adapter?: string } {
  return block.adapter === undefined ? {} : { adapter: block.adapter };
}

/** The segment before each segment of these blocks' texts. */
export function segmentsBefore(text: SegmentText, blocks: readonly ModelBlock[]): Map<string, string> {
  const before = new Map<string, string>();
  for (const block of blocks) {
    const names = segmentsOf(text, block.tokens, scopeOf(block)).map(({ name }) => name);
    for (const [i, name] of names.entries()) if (i > 0) before.set(name, names[i - 1] as string);
  }
  return before;
}

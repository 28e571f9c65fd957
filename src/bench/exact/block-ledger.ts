import { decodeKvEventBatch } from "../../collector/kv-events/decode.ts";
import type { BlockHash } from "../../collector/kv-events/event.ts";
import { parseLiveFrames } from "../../collector/kv-events/frames.ts";
import { requestReplay } from "../../collector/kv-events/replay.ts";
import { EventSubscription } from "../../collector/kv-events/subscriber.ts";
import type { SegmentHasher } from "../../prefix/segment-hash.ts";
import type { QwenTokenizer } from "../../sim/engine/qwen-tokenizer.ts";

/** How segments are named, and what ids spell. */
export type LedgerText = {
  readonly hasher: SegmentHasher;
  readonly seed: bigint;
  readonly segmentBytes: number;
  readonly tokenizer: QwenTokenizer;
};

/** A block's content: what it adds to the one before it. */
type Content = { readonly parent: BlockHash | undefined; readonly tokens: readonly number[] };

/** Where a chain stands at the end of a block. `ended` are the segments that end in it. */
type ChainEnd = { readonly hash: bigint; readonly tail: Uint8Array; readonly ended: readonly string[] };

const REPLAY_MS = 5_000;
const NO_BYTES = new Uint8Array(0);

/**
 * The content of every block that an engine ever announced, heard on a connection of its own, past whatever fault is
 * put between engine and collector. Tells which segments a set of blocks really covers.
 */
export class BlockLedger {
  readonly #text: LedgerText;
  readonly #replayEndpoint: string | null;
  readonly #subscription: EventSubscription;
  readonly #contents = new Map<BlockHash, Content>();
  readonly #ends = new Map<BlockHash, ChainEnd>();
  #unread = 0;

  constructor(endpoint: string, replayEndpoint: string | null, text: LedgerText) {
    this.#text = text;
    this.#replayEndpoint = replayEndpoint;
    this.#subscription = new EventSubscription({
      endpoint,
      topic: "",
      onSubscribed: () => undefined,
      onMessage: (frames) => this.#take(frames),
      onError: () => this.#unread++,
    });
  }

  /** Messages that could not be read: with any, nothing here can be relied on. */
  get unread(): number {
    return this.#unread;
  }

  close(): Promise<void> {
    return this.#subscription.close();
  }

  /** Fetches what the engine still has for replay, if there are blocks whose content was not heard. */
  async complete(present: ReadonlySet<BlockHash>): Promise<void> {
    if (this.#replayEndpoint === null || [...present].every((hash) => this.#contents.has(hash))) return;
    await requestReplay({
      endpoint: this.#replayEndpoint,
      fromSequence: 0,
      silenceTimeoutMs: REPLAY_MS,
      totalTimeoutMs: REPLAY_MS,
      signal: new AbortController().signal,
      onBatch: ({ payload }) => this.#learn(payload),
      onUnreadable: () => this.#unread++,
    });
  }

  /** Names of the segments of which every byte, and all before it, is in one of these blocks. */
  coveredBy(present: ReadonlySet<BlockHash>): Set<string> {
    const whole = new Map<BlockHash, boolean>();
    const isWhole = (hash: BlockHash): boolean => {
      const known = whole.get(hash);
      if (known !== undefined) return known;
      const chain: BlockHash[] = [];
      let at: BlockHash | undefined = hash;
      let verdict = true;
      while (at !== undefined) {
        const settled = whole.get(at);
        if (settled !== undefined) {
          verdict = settled;
          break;
        }
        chain.push(at);
        const content = this.#contents.get(at);
        if (content === undefined || !present.has(at)) {
          verdict = false;
          break;
        }
        at = content.parent;
      }
      // A hole makes whatever comes behind it incomplete; blocks before the hole are judged on their own.
      for (const one of verdict ? chain : [hash]) whole.set(one, verdict);
      return verdict;
    };
    const covered = new Set<string>();
    for (const hash of present) {
      if (isWhole(hash)) for (const segment of this.#endOf(hash).ended) covered.add(segment);
    }
    return covered;
  }

  #take(frames: Buffer[]): void {
    const parsed = parseLiveFrames(frames);
    if (parsed === undefined) this.#unread++;
    else this.#learn(parsed.payload);
  }

  #learn(payload: Uint8Array): void {
    const decoded = decodeKvEventBatch(payload);
    if (!decoded.ok) {
      this.#unread++;
      return;
    }
    for (const event of decoded.batch.events) {
      if (event.kind !== "block_stored" || event.tokenIds.length === 0) continue;
      let parent = event.parentBlockHash;
      for (const [place, hash] of event.blockHashes.entries()) {
        const from = place * event.blockTokens;
        const tokens = event.tokenIds.slice(from, from + event.blockTokens);
        if (!this.#contents.has(hash)) this.#contents.set(hash, { parent, tokens });
        parent = hash;
      }
    }
  }

  #endOf(hash: BlockHash): ChainEnd {
    const chain: BlockHash[] = [];
    let end: ChainEnd | undefined;
    for (let at: BlockHash | undefined = hash; at !== undefined; at = this.#contents.get(at)?.parent) {
      end = this.#ends.get(at);
      if (end !== undefined) break;
      chain.push(at);
    }
    end ??= { hash: this.#text.seed, tail: NO_BYTES, ended: [] };
    for (const one of chain.reverse()) {
      end = this.#extend(end, this.#contents.get(one)?.tokens ?? []);
      this.#ends.set(one, end);
    }
    return end;
  }

  #extend(before: ChainEnd, tokens: readonly number[]): ChainEnd {
    const { hasher, segmentBytes, tokenizer } = this.#text;
    const bytes = Buffer.concat([before.tail, ...tokens.map((id) => tokenizer.bytesOf(id))]);
    const words = hasher.chain(bytes, before.hash, segmentBytes, Number.MAX_SAFE_INTEGER);
    const count = words.length / 2;
    const ended = Array.from({ length: count }, (_, i) =>
      segmentName(words[2 * i] as number, words[2 * i + 1] as number),
    );
    const last = ended.at(-1);
    return {
      hash: last === undefined ? before.hash : BigInt(`0x${last}`),
      tail: bytes.subarray(count * segmentBytes),
      ended,
    };
  }
}

/** As the admin API writes it: 16 hex digits. */
function segmentName(low: number, high: number): string {
  return (high >>> 0).toString(16).padStart(8, "0") + (low >>> 0).toString(16).padStart(8, "0");
}

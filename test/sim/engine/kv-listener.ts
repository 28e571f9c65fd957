import { decode } from "@msgpack/msgpack";
import { Dealer, Subscriber } from "zeromq";
import { until } from "./engine-client.ts";

/** A decoded batch with its sequence number. */
export interface HeardBatch {
  readonly topic: string;
  readonly sequence: bigint;
  readonly payload: Buffer;
}

/** An event by field name, whichever encoding it came in. */
export interface HeardEvent {
  readonly type: string;
  readonly hashes: readonly bigint[];
  readonly parent: bigint | null;
  readonly tokens: readonly number[];
  /** Its cache group; null for what concerns all. */
  readonly group: number | null;
}

/** A real SUB socket on an engine's event endpoint. */
export class KvListener {
  readonly batches: HeardBatch[] = [];
  readonly #socket = new Subscriber({ receiveHighWaterMark: 0 });

  constructor(endpoint: string | null) {
    if (endpoint === null) throw new Error("the engine publishes no events");
    this.#socket.subscribe("");
    this.#socket.connect(endpoint);
    void this.#listen();
  }

  /** Waits until a batch with this sequence number has come. */
  heard(sequence: number): Promise<void> {
    return until(() => this.batches.some((batch) => batch.sequence === BigInt(sequence)));
  }

  close(): void {
    this.#socket.close();
  }

  async #listen(): Promise<void> {
    for await (const [topic, sequence, payload, ...rest] of this.#socket) {
      if (topic === undefined || sequence?.length !== 8 || payload === undefined || rest.length > 0) {
        throw new Error("a message of other frames than topic, sequence and payload");
      }
      this.batches.push({ topic: topic.toString(), sequence: sequence.readBigUInt64BE(), payload });
    }
  }
}

/** What a DEALER gets for a replay request: every reply as sent, up to and including the end marker. */
export async function askReplay(endpoint: string | null, start: number, mostReplies = 1000): Promise<Buffer[][]> {
  if (endpoint === null) throw new Error("the engine publishes no events");
  const dealer = new Dealer({ receiveHighWaterMark: 0, linger: 0, receiveTimeout: 5000 });
  dealer.connect(endpoint);
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(BigInt(start));
  await dealer.send([Buffer.alloc(0), number]);
  const replies: Buffer[][] = [];
  for (
    let last: Buffer | undefined;
    last?.length !== 0 && replies.length < mostReplies;
    last = replies.at(-1)?.at(-1)
  ) {
    replies.push(await dealer.receive());
  }
  dealer.close();
  return replies;
}

/** The events of a payload; array and map form give the same. */
export function eventsOfPayload(payload: Buffer): HeardEvent[] {
  const batch = decode(payload, { useBigInt64: true }) as [number, unknown[], unknown];
  return batch[1].map((event) => (Array.isArray(event) ? fromArray(event) : fromMap(event as Record<string, unknown>)));
}

function fromArray([type, ...fields]: unknown[]): HeardEvent {
  if (type !== "BlockStored") {
    const [hashes, , group] = fields;
    return { type: String(type), hashes: bigints(hashes), parent: null, tokens: [], group: groupOf(group) };
  }
  const [hashes, parent, tokens, , , , , , group] = fields;
  return {
    type,
    hashes: bigints(hashes),
    parent: parent as bigint | null,
    tokens: tokens as number[],
    group: groupOf(group),
  };
}

function fromMap(event: Record<string, unknown>): HeardEvent {
  return {
    type: String(event.type),
    hashes: bigints(event.block_hashes),
    parent: (event.parent_block_hash ?? null) as bigint | null,
    tokens: (event.token_ids ?? []) as number[],
    group: groupOf(event.group_idx),
  };
}

function groupOf(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}

function bigints(hashes: unknown): bigint[] {
  return ((hashes ?? []) as (bigint | number)[]).map(BigInt);
}

/** The content of a cache group that a listener would conclude from batches: copies by hash. */
export function contentAfter(batches: readonly HeardBatch[], group = 0): Map<bigint, number> {
  const copies = new Map<bigint, number>();
  for (const event of batches.flatMap(({ payload }) => eventsOfPayload(payload))) {
    if (event.type === "AllBlocksCleared") copies.clear();
    if (event.group !== group) continue;
    for (const hash of event.hashes) {
      const count = (copies.get(hash) ?? 0) + (event.type === "BlockStored" ? 1 : -1);
      if (count === 0) copies.delete(hash);
      else copies.set(hash, count);
    }
  }
  return copies;
}

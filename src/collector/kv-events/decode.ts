import { decode } from "@msgpack/msgpack";
import { isWholeMessagePack } from "../../protocol/message-pack-shape.ts";
import type { BlockHash, BlockRemoved, BlockStored, ExtraKey, KvEvent, KvEventBatch, SkippedEvent } from "./event.ts";

/** Why a payload is not a batch of events. */
export type KvDecodeError = { readonly reason: "not_msgpack" | "not_a_batch"; readonly message: string };

export type KvDecodeResult =
  | { readonly ok: true; readonly batch: KvEventBatch }
  | { readonly ok: false; readonly error: KvDecodeError };

/**
 * Reads one published payload of any known vLLM or SGLang version: `[ts, events, rank?, ...]`, each event an array
 * (`[tag, field, ...]`, later versions append) or a map (`{type: tag, ...}`), also mixed. Unknown fields are ignored,
 * events of an unknown tag or shape are skipped and listed. Never throws.
 */
export function decodeKvEventBatch(payload: Uint8Array): KvDecodeResult {
  if (!isWholeMessagePack(payload)) {
    return { ok: false, error: { reason: "not_msgpack", message: "its lengths do not fit its bytes" } };
  }
  let value: unknown;
  try {
    value = decode(payload, { useBigInt64: true });
  } catch (error) {
    return { ok: false, error: { reason: "not_msgpack", message: String(error) } };
  }
  if (!Array.isArray(value) || value.length < 2 || !Array.isArray(value[1])) {
    return { ok: false, error: { reason: "not_a_batch", message: "not an array of a time and a list of events" } };
  }
  const [time, rawEvents, rank] = value as [unknown, unknown[], unknown];
  const events: KvEvent[] = [];
  const skipped: SkippedEvent[] = [];
  for (const raw of rawEvents) {
    const event = decodeEvent(raw);
    if ("reason" in event) skipped.push(event);
    else events.push(event);
  }
  const timeS = typeof time === "number" && Number.isFinite(time) ? time : undefined;
  return { ok: true, batch: { timeS, dataParallelRank: integer(rank), events, skipped } };
}

type RawEvent = readonly unknown[] | Readonly<Record<string, unknown>>;

/** The position of a field that only the map form has. */
const MAP_ONLY = -1;

function decodeEvent(raw: unknown): KvEvent | SkippedEvent {
  if (typeof raw !== "object" || raw === null) return { tag: "", reason: "bad_shape" };
  const event = raw as RawEvent;
  const tag = field(event, 0, "type");
  if (typeof tag !== "string") return { tag: "", reason: "bad_shape" };
  switch (tag) {
    case "BlockStored":
      return blockStored(event) ?? { tag, reason: "bad_shape" };
    case "BlockRemoved":
      return blockRemoved(event) ?? { tag, reason: "bad_shape" };
    case "AllBlocksCleared":
      return { kind: "all_blocks_cleared" };
    default:
      return { tag, reason: "unknown_tag" };
  }
}

function blockStored(raw: RawEvent): BlockStored | undefined {
  const hashes = blockHashes(field(raw, 1, "block_hashes"));
  const rawParent = field(raw, 2, "parent_block_hash") ?? null;
  // llm-d's simulator writes 0 for "no parent" in its array form.
  const parent = rawParent === null || rawParent === 0 ? undefined : blockHash(rawParent);
  const tokens = tokenIds(field(raw, 3, "token_ids"));
  const blockTokens = integer(field(raw, 4, "block_size"));
  const keys = extraKeys(field(raw, 8, "extra_keys") ?? null);
  if (hashes === undefined || tokens === undefined || keys === undefined) return undefined;
  if (blockTokens === undefined || blockTokens < 0) return undefined;
  if (parent === undefined && rawParent !== null && rawParent !== 0) return undefined;
  const seventh = field(raw, 7, "lora_name");
  // SGLang 0.5.18 puts a map of optional fields where vLLM has the adapter's name.
  const metadata: RawEvent = Array.isArray(raw) && isMap(seventh) ? seventh : raw;
  return {
    kind: "block_stored",
    blockHashes: hashes,
    parentBlockHash: parent,
    tokenIds: tokens,
    blockTokens,
    loraId: integer(field(raw, 5, "lora_id")),
    loraName: text(seventh) ?? text(field(metadata, MAP_ONLY, "lora_name")),
    medium: text(field(raw, 6, "medium")),
    extraKeys: keys ?? undefined,
    groupIndex: integer(field(raw, 9, "group_idx")),
    cacheKind: text(field(raw, 10, "kv_cache_spec_kind")),
    slidingWindowTokens: integer(field(raw, 11, "kv_cache_spec_sliding_window")),
    locality: text(field(raw, MAP_ONLY, "locality")),
    sessionId: text(field(metadata, MAP_ONLY, "session_id")),
    cacheSalt: text(field(metadata, MAP_ONLY, "cache_salt")),
  };
}

function blockRemoved(raw: RawEvent): BlockRemoved | undefined {
  const hashes = blockHashes(field(raw, 1, "block_hashes"));
  if (hashes === undefined) return undefined;
  return {
    kind: "block_removed",
    blockHashes: hashes,
    medium: text(field(raw, 2, "medium")),
    groupIndex: integer(field(raw, 3, "group_idx")),
    locality: text(field(raw, MAP_ONLY, "locality")),
  };
}

function field(raw: RawEvent, position: number, name: string): unknown {
  return Array.isArray(raw) ? raw[position] : (raw as Readonly<Record<string, unknown>>)[name];
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function integer(value: unknown): number | undefined {
  const plain = typeof value === "bigint" ? Number(value) : value;
  return Number.isSafeInteger(plain) ? (plain as number) : undefined;
}

function blockHash(value: unknown): BlockHash | undefined {
  if (typeof value === "bigint" || Number.isSafeInteger(value)) return String(value);
  return value instanceof Uint8Array ? hexOf(value) : undefined;
}

function blockHashes(value: unknown): BlockHash[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const hashes: BlockHash[] = [];
  for (const item of value) {
    const hash = blockHash(item);
    if (hash === undefined) return undefined;
    hashes.push(hash);
  }
  return hashes;
}

function tokenIds(value: unknown): number[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const ids: number[] = [];
  for (const item of value) {
    const id = integer(item);
    if (id === undefined) return undefined;
    ids.push(id);
  }
  return ids;
}

/** Null where there are none, undefined where the shape is not known: such blocks must not pass as plain text. */
function extraKeys(value: unknown): (ExtraKey[] | null)[] | null | undefined {
  if (value === null) return null;
  if (!Array.isArray(value)) return undefined;
  const perBlock: (ExtraKey[] | null)[] = [];
  for (const entry of value) {
    const key = extraKey(entry);
    if (key !== null && !Array.isArray(key)) return undefined;
    perBlock.push(key);
  }
  return perBlock;
}

/** Real keys nest two deep; the bound keeps a forged payload from exhausting the stack. */
const EXTRA_KEY_DEPTH = 8;

function extraKey(value: unknown, depth = EXTRA_KEY_DEPTH): ExtraKey | ExtraKey[] | undefined {
  if (value === null || typeof value === "boolean" || typeof value === "number" || typeof value === "string") {
    return value;
  }
  if (typeof value === "bigint") return integer(value) ?? String(value);
  if (value instanceof Uint8Array) return hexOf(value);
  if (!Array.isArray(value) || depth === 0) return undefined;
  const keys: ExtraKey[] = [];
  for (const item of value) {
    const key = extraKey(item, depth - 1);
    if (key === undefined) return undefined;
    keys.push(key);
  }
  return keys;
}

function hexOf(bytes: Uint8Array): string {
  return `hex:${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")}`;
}

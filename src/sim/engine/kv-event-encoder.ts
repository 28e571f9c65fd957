import type { BlockRemoved, BlockStored, KvEvent } from "./kv-event.ts";
import { MessagePackWriter } from "./message-pack-writer.ts";

/** `array`: events as vLLM up to 0.23 sends them. `map`: as vLLM from 0.24 (here main of August 2026) sends them. */
export const kvEventEncodings = ["array", "map"] as const;

/** The name of an event encoding. */
export type KvEventEncoding = (typeof kvEventEncodings)[number];

/** One payload frame: MessagePack [timestamp, events, data-parallel rank]. `unixS` is in seconds with a fraction. */
export function encodeKvEventBatch(events: readonly KvEvent[], unixS: number, encoding: KvEventEncoding): Buffer {
  const writer = new MessagePackWriter();
  writer.writeArrayHead(3);
  writer.writeFloat64(unixS);
  writer.writeArrayHead(events.length);
  for (const event of events) {
    if (encoding === "array") writeAsArray(writer, event);
    else writeAsMap(writer, event);
  }
  writer.writeUint(0);
  return writer.take();
}

const MEDIUM = "GPU";

/** Tag and fields by position, nulls included: the order of vLLM 0.23.0. */
function writeAsArray(writer: MessagePackWriter, event: KvEvent): void {
  switch (event.type) {
    case "BlockStored":
      writer.writeArrayHead(12);
      writer.writeString(event.type);
      writeHashes(writer, event.blockHashes);
      writeNullable(writer, event.parentBlockHash, (hash) => writer.writeUint64(hash));
      writeTokenIds(writer, event.tokenIds);
      writer.writeUint(event.blockSize);
      writeNullable(writer, event.loraId, (id) => writer.writeUint(id));
      writer.writeString(MEDIUM);
      writeNullable(writer, event.loraName, (name) => writer.writeString(name));
      if (event.extraKeys.length > 0) writeExtraKeys(writer, event.extraKeys);
      else writer.writeNil();
      writer.writeUint(event.groupIndex);
      writer.writeString(event.cacheKind);
      writeNullable(writer, event.windowTokens, (tokens) => writer.writeUint(tokens));
      return;
    case "BlockRemoved":
      writer.writeArrayHead(4);
      writer.writeString(event.type);
      writeHashes(writer, event.blockHashes);
      writer.writeString(MEDIUM);
      writer.writeUint(event.groupIndex);
      return;
    case "AllBlocksCleared":
      writer.writeArrayHead(1);
      writer.writeString(event.type);
      return;
  }
}

function writeAsMap(writer: MessagePackWriter, event: KvEvent): void {
  if (event.type === "AllBlocksCleared") {
    writer.writeMapHead(1);
    writeMember(writer, "type", () => writer.writeString(event.type));
  } else if (event.type === "BlockRemoved") writeRemovedMap(writer, event);
  else writeStoredMap(writer, event);
}

function writeRemovedMap(writer: MessagePackWriter, event: BlockRemoved): void {
  writer.writeMapHead(4);
  writeMember(writer, "type", () => writer.writeString(event.type));
  writeMember(writer, "block_hashes", () => writeHashes(writer, event.blockHashes));
  writeMember(writer, "medium", () => writer.writeString(MEDIUM));
  writeMember(writer, "group_idx", () => writer.writeUint(event.groupIndex));
}

function writeStoredMap(writer: MessagePackWriter, event: BlockStored): void {
  const { extraKeys, windowTokens } = event;
  // What holds its default is left out.
  writer.writeMapHead(10 + (extraKeys.length > 0 ? 1 : 0) + (windowTokens === null ? 0 : 1));
  writeMember(writer, "type", () => writer.writeString(event.type));
  writeMember(writer, "block_hashes", () => writeHashes(writer, event.blockHashes));
  writeMember(writer, "parent_block_hash", () =>
    writeNullable(writer, event.parentBlockHash, (hash) => writer.writeUint64(hash)),
  );
  writeMember(writer, "token_ids", () => writeTokenIds(writer, event.tokenIds));
  writeMember(writer, "block_size", () => writer.writeUint(event.blockSize));
  writeMember(writer, "lora_id", () => writeNullable(writer, event.loraId, (id) => writer.writeUint(id)));
  writeMember(writer, "medium", () => writer.writeString(MEDIUM));
  writeMember(writer, "lora_name", () => writeNullable(writer, event.loraName, (name) => writer.writeString(name)));
  if (extraKeys.length > 0) writeMember(writer, "extra_keys", () => writeExtraKeys(writer, extraKeys));
  writeMember(writer, "group_idx", () => writer.writeUint(event.groupIndex));
  writeMember(writer, "kv_cache_spec_kind", () => writer.writeString(event.cacheKind));
  if (windowTokens !== null) {
    writeMember(writer, "kv_cache_spec_sliding_window", () => writer.writeUint(windowTokens));
  }
}

function writeMember(writer: MessagePackWriter, name: string, writeValue: () => void): void {
  writer.writeString(name);
  writeValue();
}

function writeNullable<Value>(writer: MessagePackWriter, value: Value | null, write: (value: Value) => void): void {
  if (value === null) writer.writeNil();
  else write(value);
}

function writeHashes(writer: MessagePackWriter, hashes: readonly bigint[]): void {
  writer.writeArrayHead(hashes.length);
  for (const hash of hashes) writer.writeUint64(hash);
}

function writeTokenIds(writer: MessagePackWriter, tokenIds: ArrayLike<number>): void {
  writer.writeArrayHead(tokenIds.length);
  for (let index = 0; index < tokenIds.length; index += 1) writer.writeUint(tokenIds[index] ?? 0);
}

function writeExtraKeys(writer: MessagePackWriter, keysOfBlocks: BlockStored["extraKeys"]): void {
  writer.writeArrayHead(keysOfBlocks.length);
  for (const keys of keysOfBlocks) {
    writeNullable(writer, keys, (present) => {
      writer.writeArrayHead(present.length);
      for (const key of present) writer.writeString(key);
    });
  }
}

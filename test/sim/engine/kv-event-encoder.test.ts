import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { KvEvent } from "../../../src/sim/engine/kv-event.ts";
import { encodeKvEventBatch, type KvEventEncoding } from "../../../src/sim/engine/kv-event-encoder.ts";
import { readFixtureLines } from "./fixture-files.ts";

const decimals = z.array(z.string().transform(BigInt));

const storedSchema = z.object({
  type: z.literal("BlockStored"),
  block_hashes: decimals,
  parent_block_hash: z.string().transform(BigInt).nullable(),
  token_ids: z.array(z.number()),
  block_size: z.number(),
  lora_id: z.number().nullable(),
  medium: z.literal("GPU"),
  lora_name: z.string().nullable(),
  extra_keys: z.array(z.array(z.string()).nullable()).default([]),
  group_idx: z.number(),
  kv_cache_spec_kind: z.enum(["full_attention", "sliding_window"]),
  kv_cache_spec_sliding_window: z.number().nullish(),
  locality: z.undefined().optional(),
});

const eventSchema = z.discriminatedUnion("type", [
  storedSchema.transform(
    (event): KvEvent => ({
      type: event.type,
      blockHashes: event.block_hashes,
      parentBlockHash: event.parent_block_hash,
      tokenIds: event.token_ids,
      blockSize: event.block_size,
      loraId: event.lora_id,
      loraName: event.lora_name,
      extraKeys: event.extra_keys,
      groupIndex: event.group_idx,
      cacheKind: event.kv_cache_spec_kind,
      windowTokens: event.kv_cache_spec_sliding_window ?? null,
    }),
  ),
  z
    .object({
      type: z.literal("BlockRemoved"),
      block_hashes: decimals,
      medium: z.literal("GPU"),
      group_idx: z.number(),
    })
    .transform(
      (event): KvEvent => ({ type: event.type, blockHashes: event.block_hashes, groupIndex: event.group_idx }),
    ),
  z.object({ type: z.literal("AllBlocksCleared") }),
]);

const rowSchema = z.object({
  note: z.string(),
  payload_base64: z.string(),
  decoded: z.object({ ts: z.number(), data_parallel_rank: z.literal(0), events: z.array(eventSchema) }),
});

/** Recorded batches of GPU events without images and from rank 0, which is what this engine can say. */
function recordedBatches(file: string): z.infer<typeof rowSchema>[] {
  return readFixtureLines(file).flatMap((line) => {
    const row = rowSchema.safeParse(line);
    return row.success ? [row.data] : [];
  });
}

describe.each<[string, KvEventEncoding]>([
  ["vllm-0.23.0", "array"],
  ["vllm-0.23.0-hybrid", "array"],
  ["vllm-main-20260817", "map"],
  ["vllm-main-20260817-hybrid", "map"],
])("batches of %s", (version, encoding) => {
  const batches = recordedBatches(`kv-events/${version}.jsonl`);

  it("include every kind of event", () => {
    const types = new Set(batches.flatMap(({ decoded }) => decoded.events.map(({ type }) => type)));
    expect(types).toEqual(new Set(["BlockStored", "BlockRemoved", "AllBlocksCleared"]));
    expect(batches.length).toBeGreaterThanOrEqual(11);
  });

  it.each(batches)("are encoded to the recorded bytes: $note", ({ decoded, payload_base64 }) => {
    expect(encodeKvEventBatch(decoded.events, decoded.ts, encoding).toString("base64")).toBe(payload_base64);
  });
});

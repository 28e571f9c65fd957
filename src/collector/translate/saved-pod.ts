import { crc32 } from "node:zlib";
import * as z from "zod";

/** Names the layout: a file of another one is not read. */
const MAGIC = "warmpath blocks 1\n";

const savedTablesSchema = z.object({
  baseModel: z.string(),
  segmentBytes: z.number(),
  /** Seed of the chains without adapter and salt: shows another secret without telling the secret. */
  seed: z.string(),
  /** The last message taken. */
  position: z.object({ sequence: z.number(), timeS: z.number().optional() }),
  history: z.enum(["complete", "lost"]),
  extraKeysMissing: z.boolean(),
  saltsLeftOut: z.boolean(),
  otherKinds: z.array(z.string()),
  ranks: z.array(z.object({ rank: z.number(), groups: z.number(), blocks: z.number() })),
});
/** How a pod's saved tables are read, and what they are worth nothing without. */
export type SavedTables = z.infer<typeof savedTablesSchema>;

const savedPodSchema = z.object({
  pod: z.string(),
  /** The engine's process. */
  process: z.string(),
  tables: savedTablesSchema,
});
export type SavedPod = z.infer<typeof savedPodSchema>;

export type SavedPodResult =
  | { readonly ok: true; readonly pod: SavedPod; readonly bytes: Buffer; readonly blocksAt: number }
  | { readonly ok: false; readonly fault: string };

/** What comes before the blocks of a saved pod's ranks, which follow in order. */
export const SAVED_POD_START: Buffer = Buffer.from(MAGIC, "latin1");

const TAIL_BYTES = 8;

/** What comes behind them: how they are read, and a check over both. `blocksCrc` is the blocks' CRC-32. */
export function savedPodEnd(pod: SavedPod, blocksCrc: number): Buffer {
  const head = Buffer.from(JSON.stringify(pod), "utf8");
  const tail = Buffer.alloc(TAIL_BYTES);
  tail.writeUInt32LE(head.byteLength);
  tail.writeUInt32LE(crc32(head, blocksCrc), 4);
  return Buffer.concat([head, tail]);
}

/** Reads a saved pod's file. One that was cut off or changed is refused. */
export function readSavedPod(bytes: Buffer): SavedPodResult {
  const blocksAt = SAVED_POD_START.byteLength;
  const tailAt = bytes.byteLength - TAIL_BYTES;
  if (tailAt < blocksAt || !bytes.subarray(0, blocksAt).equals(SAVED_POD_START)) {
    return { ok: false, fault: "not a saved table of this version" };
  }
  const headAt = tailAt - bytes.readUInt32LE(tailAt);
  const isWhole = headAt >= blocksAt && crc32(bytes.subarray(blocksAt, tailAt)) === bytes.readUInt32LE(tailAt + 4);
  if (!isWhole) return { ok: false, fault: "cut off or damaged" };
  const parsed = savedPodSchema.safeParse(JSON.parse(bytes.toString("utf8", headAt, tailAt)));
  if (!parsed.success) return { ok: false, fault: parsed.error.message };
  return { ok: true, pod: parsed.data, bytes, blocksAt };
}

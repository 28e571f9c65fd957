import * as z from "zod";
import type { RouterSnapshot } from "../src/routing/router-snapshot.ts";
import { jsonOf } from "./stored-json.ts";

/** Of the state's shape. It has been the same since schema version 1, so that a release of then can still read it. */
const CHECKPOINT_VERSION = 1;

const count = z.number().min(0);

const snapshotSchema = z.object({
  pods: z.array(
    z.object({
      source: z.string(),
      facts: z.object({
        id: z.string(),
        cluster: z.string(),
        epoch: z.string(),
        url: z.string(),
        state: z.enum(["ready", "draining", "unready"]),
        servedModels: z.array(z.string()),
        capacityTokens: count.optional(),
        maxModelLen: count.optional(),
        blockTokens: count.optional(),
        index: z.object({ mode: z.enum(["exact", "mixed", "approximate"]), reason: z.string().optional() }),
      }),
    }),
  ),
  leases: z.array(
    z.object({
      leaseId: z.string(),
      podId: z.string(),
      epoch: z.string(),
      ageMs: count,
      firstTokenSeen: z.boolean(),
      promptTokens: count,
      uncachedTokens: count,
    }),
  ),
  feeds: z.array(
    z.tuple([z.string(), z.object({ instance: z.string(), sequence: z.number(), retired: z.array(z.string()) })]),
  ),
  learned: z.object({ prefillTokens: count, prefillMs: count, textBytes: count, textTokens: count }),
  // What cannot be read of it is learned again: the rest of the checkpoint is worth more.
  outlook: z
    .object({
      prefill: z.object({
        tokenToken: z.number(),
        tokenPair: z.number(),
        pairPair: z.number(),
        tokenWait: z.number(),
        pairWait: z.number(),
      }),
      answerTokens: count,
      returns: z.object({ idle: z.array(count), returned: z.array(count) }),
      network: z.array(z.tuple([z.string(), z.string(), count])),
    })
    .optional()
    .catch(undefined),
  ejections: z.array(z.object({ podId: z.string(), remainingMs: count, ejections: count })).optional(),
  drain: z.object({ workTokens: count, busyMs: count }).optional(),
});

/**
 * Writes the checkpoint of a ModelRouter: one row, whole, at most once a second and only if something changed. What it
 * holds and what a lost one costs is described in docs/storage-schema.md.
 */
export function writeCheckpoint(sql: SqlStorage, snapshot: RouterSnapshot): void {
  sql.exec(
    "INSERT INTO checkpoint (id, version, state) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET version = excluded.version, state = excluded.state",
    CHECKPOINT_VERSION,
    JSON.stringify(snapshot),
  );
}

/** The last checkpoint, or nothing if there is none that this release can read: then the collectors bring it all. */
export function readCheckpoint(sql: SqlStorage): RouterSnapshot | undefined {
  const row = sql
    .exec<{ version: number; state: string }>("SELECT version, state FROM checkpoint WHERE id = 1")
    .toArray()[0];
  if (row === undefined || row.version !== CHECKPOINT_VERSION) return undefined;
  const parsed = snapshotSchema.safeParse(jsonOf(row.state));
  return parsed.success ? parsed.data : undefined;
}

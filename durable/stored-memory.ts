import * as z from "zod";
import type { KeptMemory } from "../src/routing/policies-in-use.ts";
import type { PolicyMemoryView } from "../src/routing/policy-memory.ts";
import { jsonOf } from "./stored-json.ts";

/** Of each list, before the whole is measured. */
const MOST_ENTRIES = 8_192;
/** A row holds 2 MB; this is written every few seconds. */
const MOST_CHARACTERS = 1_000_000;

const window = z
  .object({ slotMs: z.number().positive(), times: z.array(z.number()), sums: z.array(z.number()) })
  .refine(({ times, sums }) => times.length === sums.length && times.length > 0, "a sum for each time");

function listOf<Value extends z.ZodType>(value: Value) {
  return z.array(z.tuple([z.string(), value])).catch([]);
}

/** The lists that are kept, the most recent entries last. One that cannot be read is empty. */
const memorySchema = z.object({
  lastChosen: listOf(z.string()),
  sessions: listOf(z.object({ podId: z.string(), atMs: z.number() })),
  coldPlacements: listOf(z.number()),
  servedTokens: listOf(window),
  podPlacements: listOf(z.object({ placed: window, warm: window, prefillMs: window })),
});

/** Writes policies' memory: the most recent entries of each list, as many as fit. One row. */
export function writeStoredMemory(sql: SqlStorage, memory: PolicyMemoryView): void {
  sql.exec(
    "INSERT INTO policy_memory (id, state) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET state = excluded.state",
    bounded(memory),
  );
}

/** The stored memory, undefined where there is none that can be read. */
export function readStoredMemory(sql: SqlStorage): KeptMemory | undefined {
  const [row] = sql.exec<{ state: string }>("SELECT state FROM policy_memory WHERE id = 1").toArray();
  if (row === undefined) return undefined;
  const parsed = memorySchema.safeParse(jsonOf(row.state));
  return parsed.success ? parsed.data : undefined;
}

function bounded(memory: PolicyMemoryView): string {
  const names = Object.keys(memorySchema.shape) as (keyof typeof memorySchema.shape)[];
  for (let most = MOST_ENTRIES; most > 0; most = Math.floor(most / 2)) {
    const lists = names.map((name) => [name, [...memory[name]].slice(-most)]);
    const text = JSON.stringify(Object.fromEntries(lists));
    if (text.length <= MOST_CHARACTERS) return text;
  }
  return "{}";
}

/**
 * The tables of a ModelRouter and how an older release's become them. docs/storage-schema.md says what they hold, and
 * what an older release does with a newer one's.
 */
export const SCHEMA_VERSION = 2;

/** `MIGRATIONS[n]` makes version n + 1 of version n. Never change one that was released. */
const MIGRATIONS: readonly (readonly string[])[] = [
  ["CREATE TABLE checkpoint (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, state TEXT NOT NULL)"],
  [
    "CREATE TABLE schema_version (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL)",
    // Without rowid a row written is billed as one: the key is the table.
    "CREATE TABLE claims (pod TEXT PRIMARY KEY, epoch TEXT NOT NULL, packed BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE policy_memory (id INTEGER PRIMARY KEY, state TEXT NOT NULL)",
  ],
];

/** The version of what is stored: 0 for nothing. Reads only. */
export function storedVersion(sql: SqlStorage): number {
  const tables = new Set(
    sql
      .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'")
      .toArray()
      .map(({ name }) => name),
  );
  if (!tables.has("schema_version")) return tables.has("checkpoint") ? 1 : 0;
  const [row] = sql.exec<{ version: number }>("SELECT version FROM schema_version").toArray();
  return row?.version ?? 1;
}

/** Brings an older version forward, in one transaction: all of it or nothing. */
export function migrate(storage: DurableObjectStorage, from: number): void {
  storage.transactionSync(() => {
    for (const statements of MIGRATIONS.slice(from)) for (const statement of statements) storage.sql.exec(statement);
    storage.sql.exec(
      "INSERT INTO schema_version (id, version) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET version = excluded.version",
      SCHEMA_VERSION,
    );
  });
}

import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { ModelRouter } from "../../durable/model-router.ts";
import { SCHEMA_VERSION, storedVersion } from "../../durable/schema.ts";
import type { ClusterName } from "../../src/protocol/identifiers.ts";
import type { ClaimChange, PodReport, PushMessage } from "../../src/protocol/push-message.ts";

const cluster = "local" as ClusterName;
const POD = "default/a/8000";
const POD_ID = `local/${POD}`;
const SEGMENTS = 100;
const words = Uint32Array.from({ length: 2 * SEGMENTS }, (_, i) => Math.imul(i + 1, 2_654_435_761) >>> 0);
const sums = { low: 0, high: 0 };
for (let i = 0; i < words.length; i += 2) {
  sums.low = (sums.low + (words[i] as number)) >>> 0;
  sums.high = (sums.high + (words[i + 1] as number)) >>> 0;
}
const none = { low: 0, high: 0 };

const store: ClaimChange = {
  kind: "store",
  pod: POD,
  epoch: "1",
  tier: "gpu",
  segments: new Uint8Array(words.slice().buffer),
  tokens: new Uint8Array(Uint32Array.from({ length: SEGMENTS }, (_, i) => 60 * (i + 1)).buffer),
};
const check = (gpu: typeof sums): ClaimChange => ({ kind: "check", pod: POD, epoch: "1", gpu, host: none });

function podReport(name: string, change: Partial<PodReport> = {}): PodReport {
  return {
    name,
    epoch: "1",
    url: "http://a:8000",
    engine: "vllm",
    state: "ready",
    servedModels: ["m"],
    capacityTokens: 100_000,
    index: { mode: "exact" },
    ...change,
  };
}

function push(sequence: number, claims: ClaimChange[] = [], change: Partial<PushMessage> = {}) {
  const message = { schema: 1 as const, model: "m", source: "node", instance: "instance-1", checks: true };
  return { cluster, push: { ...message, sequence, pods: [podReport(POD)], claims, ...change } };
}

const call = {
  model: "m",
  policy: "warmpath",
  segments: words,
  segmentBytes: 256,
  promptBytes: 256 * SEGMENTS,
  choices: 1,
  explain: false,
};

/** A router of its own, which is written and started anew as the test says. */
class Harness {
  readonly #name = `m-${crypto.randomUUID()}`;

  get stub() {
    return env.MODEL_ROUTER.getByName(this.#name);
  }

  inside<Result>(body: (sql: SqlStorage, router: ModelRouter) => Result): Promise<Result> {
    return runInDurableObject(this.stub, (router, state) => body(state.storage.sql, router));
  }

  /** The alarm: writes what is due. */
  async write(): Promise<void> {
    expect(await runDurableObjectAlarm(this.stub)).toBe(true);
  }

  async restart(): Promise<void> {
    await evictDurableObject(this.stub);
  }

  reply(sequence: number, claims?: ClaimChange[], change?: Partial<PushMessage>) {
    return this.stub.ingest(push(sequence, claims, change));
  }

  /** Routes inside, so that no stub of this test keeps the object alive. */
  route(change: object = {}): Promise<{ podId: string; matchedTokens: number }> {
    return this.inside((_, router) => {
      const placed = router.route({ ...call, ...change });
      if (!placed.ok) throw new Error(placed.reason);
      placed.lease.finish({ kind: "completed" });
      return { podId: placed.pod.id, matchedTokens: placed.matchedTokens };
    });
  }
}

async function withClaims(): Promise<Harness> {
  const harness = new Harness();
  await harness.reply(1, [{ kind: "restate", pod: POD, epoch: "1" }, store]);
  await harness.write();
  return harness;
}

describe("claims in storage", () => {
  it("guide the first request after a restart, and are confirmed by their collector's sums", async () => {
    const harness = await withClaims();
    await harness.restart();
    expect(await harness.stub.inspect()).toMatchObject({ confirmedClaims: 0, doubtedClaims: SEGMENTS });
    expect((await harness.route()).matchedTokens).toBeGreaterThan(5_900);
    expect(await harness.reply(2)).toMatchObject({ reply: { check: [POD], resync: [] } });
    expect(await harness.reply(3, [check(sums)])).toMatchObject({ reply: { check: [], resync: [] } });
    expect(await harness.stub.inspect()).toMatchObject({ confirmedClaims: SEGMENTS, doubtedClaims: 0 });
    const confirmed = await harness.stub.confirmedClaims({ podId: POD_ID });
    expect(confirmed?.gpu.length).toBe(2 * SEGMENTS);
  });

  it("are asked for anew where the sums differ, and never shown as confirmed before", async () => {
    const harness = await withClaims();
    await harness.restart();
    expect(await harness.reply(2)).toMatchObject({ reply: { check: [POD] } });
    expect(await harness.reply(3, [check(none)])).toMatchObject({ reply: { check: [], resync: [POD] } });
    expect((await harness.stub.confirmedClaims({ podId: POD_ID }))?.gpu.length).toBe(0);
    const afresh: ClaimChange[] = [{ kind: "restate", pod: POD, epoch: "1" }];
    expect(await harness.reply(4, afresh)).toMatchObject({ reply: { check: [], resync: [] } });
    expect(await harness.stub.inspect()).toMatchObject({ confirmedClaims: 0, doubtedClaims: 0 });
  });

  it("are asked for anew of a collector that cannot tell their sums", async () => {
    const harness = await withClaims();
    await harness.restart();
    const answer = await harness.reply(2, [], { checks: false });
    expect(answer).toMatchObject({ ok: true, reply: { resync: [POD] } });
    expect(answer.ok && answer.reply.check).toBeUndefined();
  });

  it("are checked after a push was lost, without a restart", async () => {
    const harness = await withClaims();
    expect(await harness.reply(3)).toMatchObject({ reply: { check: [POD] } });
    expect(await harness.stub.inspect()).toMatchObject({ confirmedClaims: 0, doubtedClaims: SEGMENTS });
    await harness.reply(4, [check(sums)]);
    expect(await harness.stub.inspect()).toMatchObject({ confirmedClaims: SEGMENTS });
  });

  it("of an engine that restarted meanwhile are void", async () => {
    const harness = await withClaims();
    await harness.restart();
    await harness.reply(2, [], { pods: [podReport(POD, { epoch: "2" })] });
    expect(await harness.stub.inspect()).toMatchObject({ confirmedClaims: 0, doubtedClaims: 0 });
  });

  it("that cannot be read are left out, and the pod is resynced", async () => {
    const harness = await withClaims();
    await harness.inside((sql) => sql.exec("UPDATE claims SET packed = x'0102'").rowsWritten);
    await harness.restart();
    expect(await harness.stub.inspect()).toMatchObject({ confirmedClaims: 0, doubtedClaims: 0 });
    expect(await harness.reply(2)).toMatchObject({ reply: { resync: [POD] } });
  });

  it("cost one row a pod and tick", async () => {
    const harness = new Harness();
    await harness.reply(1, [{ kind: "restate", pod: POD, epoch: "1" }, store]);
    await harness.write();
    const rows = await harness.inside((sql) => {
      const [claims] = sql
        .exec<{ n: number; size: number }>("SELECT COUNT(*) n, SUM(LENGTH(packed)) size FROM claims")
        .toArray();
      const written = sql.exec("UPDATE claims SET packed = packed").rowsWritten;
      return { ...claims, written };
    });
    expect(rows).toEqual({ n: 1, size: 16 + 12 * SEGMENTS, written: 1 });
  });
});

describe("policies' memory in storage", () => {
  const session = { policy: "session-affinity", segments: new Uint32Array(0), session: "s" };

  it("keeps sessions on their pods over a restart", async () => {
    const harness = new Harness();
    const names = ["a", "b", "c", "d"].map((name) => `default/${name}/8000`);
    const only = (name: string) => ({ pods: [podReport(name)] });
    // Pinned while it was the only pod, each session to one it would not go to by itself.
    for (const [i, name] of names.entries()) {
      await harness.reply(i + 1, [], only(name));
      await harness.route({ ...session, session: `s-${i}` });
    }
    await harness.write();
    await harness.restart();
    await harness.reply(9, [], { pods: names.map((name) => podReport(name)) });
    for (const [i, name] of names.entries()) {
      expect((await harness.route({ ...session, session: `s-${i}` })).podId).toBe(`local/${name}`);
    }
  });

  it("is bounded: the sessions used last are kept", async () => {
    const harness = new Harness();
    await harness.reply(1);
    await harness.inside((_, router) => {
      for (let i = 0; i < 9_000; i++) {
        const placed = router.route({ ...call, ...session, session: `s-${i}` });
        if (placed.ok) placed.lease.finish({ kind: "completed" });
      }
    });
    await harness.write();
    const state = await harness.inside(
      (sql) => sql.exec<{ state: string }>("SELECT state FROM policy_memory").one().state,
    );
    expect(state.length).toBeLessThan(1_000_001);
    const { sessions } = JSON.parse(state) as { sessions: [string, unknown][] };
    expect(sessions.length).toBeGreaterThan(4_000);
    expect(sessions.at(-1)?.[0]).toBe("s-8999");
  });

  it("that cannot be read is forgotten, list by list", async () => {
    const harness = new Harness();
    await harness.reply(1);
    await harness.route(session);
    await harness.write();
    await harness.inside((sql) => sql.exec(`UPDATE policy_memory SET state = '{"sessions": 7}'`).rowsWritten);
    await harness.restart();
    expect((await harness.route(session)).podId).toBe(POD_ID);
  });
});

/** What the release of schema version 1 reads: one table, one row, of version 1. */
function readAsVersion1(sql: SqlStorage): { pods: unknown[]; feeds: unknown[] } | undefined {
  sql.exec(
    "CREATE TABLE IF NOT EXISTS checkpoint (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, state TEXT NOT NULL)",
  );
  const [row] = sql
    .exec<{ version: number; state: string }>("SELECT version, state FROM checkpoint WHERE id = 1")
    .toArray();
  return row?.version === 1 ? JSON.parse(row.state) : undefined;
}

/** Makes what is stored a database of version 1. */
function downgrade(sql: SqlStorage): void {
  for (const table of ["schema_version", "claims", "policy_memory"]) sql.exec(`DROP TABLE ${table}`);
}

describe("schema versions", () => {
  it("open a database of version 1 and bring it forward with the first write", async () => {
    const harness = await withClaims();
    await harness.inside(downgrade);
    await harness.restart();
    expect(await harness.stub.inspect()).toMatchObject({ pods: [{ id: POD_ID }], storage: { schemaVersion: 1 } });
    expect(await harness.reply(2)).toMatchObject({ ok: true });
    await harness.write();
    const version = await harness.inside((sql) => sql.exec("SELECT version FROM schema_version").one().version);
    expect(version).toBe(SCHEMA_VERSION);
    await harness.restart();
    expect(await harness.stub.inspect()).toMatchObject({
      pods: [{ id: POD_ID }],
      storage: { schemaVersion: SCHEMA_VERSION },
    });
  });

  it("leave a checkpoint that version 1 can read, and take up what it wrote", async () => {
    const harness = await withClaims();
    const read = await harness.inside(readAsVersion1);
    expect(read).toMatchObject({ pods: [{ facts: { id: POD_ID } }], feeds: [["local/node", { sequence: 1 }]] });
    // It goes on from there, and knows nothing of the claims: they are an older account now.
    await harness.inside((sql) => {
      const state = JSON.stringify(read).replace('"sequence":1', '"sequence":5');
      sql.exec("UPDATE checkpoint SET version = 1, state = ?", state);
    });
    await harness.restart();
    expect(await harness.reply(5)).toEqual({ ok: false, reason: "push_replayed" });
    expect(await harness.reply(6)).toMatchObject({ reply: { check: [POD] } });
    expect(await harness.stub.inspect()).toMatchObject({ confirmedClaims: 0, doubtedClaims: SEGMENTS });
  });

  it("of a newer release are read as far as they can be and never written over", async () => {
    const harness = await withClaims();
    const contents = (sql: SqlStorage) =>
      ["checkpoint", "schema_version", "claims"].map((table) => sql.exec(`SELECT * FROM ${table}`).toArray());
    await harness.inside((sql) => {
      sql.exec("UPDATE schema_version SET version = 99");
      sql.exec("UPDATE claims SET packed = x'00'");
    });
    await harness.restart();
    const before = await harness.inside(contents);
    expect(await harness.stub.inspect()).toMatchObject({
      pods: [{ id: POD_ID }],
      storage: { isNewer: true, schemaVersion: 99 },
    });
    await harness.reply(2, [{ kind: "restate", pod: POD, epoch: "1" }, store]);
    expect((await harness.route()).podId).toBe(POD_ID);
    await harness.write();
    expect(await harness.inside(contents)).toEqual(before);
  });

  it("of a newer release with other tables leave a router that works", async () => {
    const harness = await withClaims();
    await harness.inside((sql) => {
      sql.exec("UPDATE schema_version SET version = 99");
      sql.exec("DROP TABLE claims");
      sql.exec("ALTER TABLE checkpoint RENAME TO something_else");
    });
    await harness.restart();
    expect((await harness.stub.inspect()).pods).toEqual([]);
    await harness.reply(2, [{ kind: "restate", pod: POD, epoch: "1" }, store]);
    expect((await harness.route()).matchedTokens).toBeGreaterThan(5_900);
  });
});

describe("a router whose checkpoints are switched off to be measured without", () => {
  it("routes and stores nothing", async () => {
    const stub = env.MODEL_ROUTER.getByName(`m-${crypto.randomUUID()}`);
    const [placed, version] = await runInDurableObject(stub, (_, state) => {
      const router = new ModelRouter(state, { ...env, WARMPATH_CHECKPOINTS: "off" });
      router.ingest(push(1, [{ kind: "restate", pod: POD, epoch: "1" }, store]));
      const reply = router.route(call);
      router.alarm();
      return [reply.ok, storedVersion(state.storage.sql)];
    });
    expect([placed, version]).toEqual([true, 0]);
  });
});

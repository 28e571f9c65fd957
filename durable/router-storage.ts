import type { Router } from "../src/routing/router.ts";
import { readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import { migrate, SCHEMA_VERSION, storedVersion } from "./schema.ts";
import { StorageWrites, type WritesView } from "./storage-writes.ts";
import { storedClaims, writeStoredClaims } from "./stored-claims.ts";
import { readStoredMemory, writeStoredMemory } from "./stored-memory.ts";

/** How the router's state is stored, for the admin API. */
export type StorageView = WritesView & {
  /** Of what was found at the start; 0 for nothing. */
  readonly schemaVersion: number;
  /** Since this instance last wrote what had changed; absent before. */
  readonly savedMsAgo?: number | undefined;
  /** A newer release wrote it: nothing is written over it. */
  readonly isNewer: boolean;
};

/**
 * What a ModelRouter keeps over a restart. Loading writes nothing and never throws: a router without state works, and the
 * collectors bring it all. See docs/storage-schema.md.
 */
export class RouterStorage {
  readonly #storage: DurableObjectStorage;
  readonly #writes: StorageWrites;
  readonly #writesState: boolean;
  #foundVersion = 0;
  #version = 0;
  #savedAtMs: number | undefined;

  /** `writesState` false: nothing is saved. Alarms are set all the same. */
  constructor({ id, storage }: DurableObjectState, nowMs: number, writesState: boolean) {
    this.#writesState = writesState;
    this.#storage = storage;
    this.#writes = new StorageWrites(storage, id.toString(), nowMs);
  }

  /** Gives a new router what is stored. */
  load(router: Router, nowMs: number): void {
    const { sql } = this.#storage;
    try {
      this.#foundVersion = this.#version = storedVersion(sql);
      if (this.#version === 0) return;
      const snapshot = readCheckpoint(sql);
      if (snapshot !== undefined) router.restore(snapshot, nowMs);
      if (this.#version === 1) return;
      for (const kept of storedClaims(sql)) router.keeper.restore(kept, nowMs);
      const memory = readStoredMemory(sql);
      if (memory !== undefined) router.restoreMemory(memory);
    } catch (error) {
      this.#writes.fail(error, nowMs);
    }
  }

  /** Writes what has changed and is due. */
  save(router: Router, nowMs: number): void {
    if (this.#isNewer || !this.#writesState) return;
    const { sql } = this.#storage;
    this.#writes.write(() => {
      if (this.#version < SCHEMA_VERSION) migrate(this.#storage, this.#version);
      this.#version = SCHEMA_VERSION;
      writeCheckpoint(sql, router.snapshot(nowMs));
      for (const kept of router.keeper.take(nowMs)) writeStoredClaims(sql, kept);
      const memory = router.memoryToKeep(nowMs);
      if (memory !== undefined) writeStoredMemory(sql, memory);
      this.#savedAtMs = nowMs;
    }, nowMs);
  }

  /** Sets the object's alarm. False where it could not be: storage is not written to for now. */
  setAlarm(atMs: number, nowMs: number): boolean {
    if (this.#writes.isHeldOff(nowMs)) return false;
    const failed = (error: unknown) => this.#writes.fail(error, nowMs);
    // Unconfirmed, so that no reply waits for the disk.
    this.#writes.write(() => void this.#storage.setAlarm(atMs, { allowUnconfirmed: true }).catch(failed), nowMs);
    return true;
  }

  view(nowMs: number): StorageView {
    const savedMsAgo = this.#savedAtMs === undefined ? undefined : nowMs - this.#savedAtMs;
    return { ...this.#writes.view(nowMs), savedMsAgo, schemaVersion: this.#foundVersion, isNewer: this.#isNewer };
  }

  get #isNewer(): boolean {
    return this.#version > SCHEMA_VERSION;
  }
}

/** Storage that failed a write is not written to for so long. */
const HOLD_OFF_MS = 60_000;

/** How an object's storage takes its writes. */
type Standing = { unconfirmed: number; failures: number; heldUntilMs: number };

/**
 * By object, outside of it: a write that fails makes the runtime reset the object, and what the object knew of it is gone
 * with it. This lives as long as the isolate, so the object's next instance finds a write that nobody confirmed. After the
 * end of the whole process nothing is known, and the first write that fails shows again.
 */
const standings = new Map<string, Standing>();

/** How storage is written, for the admin API. */
export type WritesView = {
  /** Milliseconds until storage is written to again, after a write failed; 0: it is written to. */
  readonly heldOffMs: number;
  /** Writes that failed, as far as this isolate remembers. */
  readonly failures: number;
};

/** An object's writes: none for a minute after one failed, so that the object routes instead of being reset for ever. */
export class StorageWrites {
  readonly #storage: DurableObjectStorage;
  readonly #objectId: string;
  readonly #standing: Standing;

  /** Finds out whether the object's instance before this one ended in a write. */
  constructor(storage: DurableObjectStorage, objectId: string, nowMs: number) {
    this.#storage = storage;
    this.#objectId = objectId;
    const before = standings.get(objectId);
    // One of its own: what the earlier instance still hears of its writes is not about this one's.
    this.#standing = { unconfirmed: 0, failures: before?.failures ?? 0, heldUntilMs: before?.heldUntilMs ?? 0 };
    standings.set(objectId, this.#standing);
    if (before !== undefined && before.unconfirmed > 0) this.fail("the object was reset while it wrote", nowMs);
  }

  isHeldOff(nowMs: number): boolean {
    return nowMs < this.#standing.heldUntilMs;
  }

  view(nowMs: number): WritesView {
    const { failures, heldUntilMs } = this.#standing;
    return { heldOffMs: Math.max(0, heldUntilMs - nowMs), failures };
  }

  /** Writes, unless writes are held off. Nothing waits for the disk. Never throws. */
  write(action: () => void, nowMs: number): void {
    if (this.isHeldOff(nowMs)) return;
    this.#standing.unconfirmed++;
    const ended = () => {
      this.#standing.unconfirmed--;
    };
    const failed = (error: unknown) => {
      ended();
      this.fail(error, nowMs);
    };
    try {
      action();
    } catch (error) {
      failed(error);
      return;
    }
    this.#storage.sync().then(ended, failed);
  }

  /** Storage does not work: holds writes off. */
  fail(error: unknown, nowMs: number): void {
    this.#standing.failures++;
    this.#standing.heldUntilMs = nowMs + HOLD_OFF_MS;
    const reason = error instanceof Error ? error.message : String(error);
    // biome-ignore lint/suspicious/noConsole: the runtime's log is its console
    console.error(JSON.stringify({ event: "storage_write_failed", object: this.#objectId, reason }));
  }
}

import { describe, expect, it, vi } from "vitest";
import { StorageWrites } from "../../durable/storage-writes.ts";

/** Storage whose disk answers when the test says so. */
function slowDisk() {
  const syncs: PromiseWithResolvers<void>[] = [];
  const storage = {
    sync: () => {
      const sync = Promise.withResolvers<void>();
      syncs.push(sync);
      return sync.promise;
    },
  } as unknown as DurableObjectStorage;
  return { storage, syncs };
}

const noop = () => undefined;

describe("an object's writes", () => {
  it("are held off for a minute where the instance before was reset while it wrote", () => {
    const { storage } = slowDisk();
    const id = crypto.randomUUID();
    new StorageWrites(storage, id, 0).write(noop, 0);
    const next = new StorageWrites(storage, id, 1_000);
    const action = vi.fn();
    next.write(action, 30_000);
    expect(action).not.toHaveBeenCalled();
    expect(next.view(30_000)).toEqual({ heldOffMs: 31_000, failures: 1 });
    next.write(action, 61_000);
    expect(action).toHaveBeenCalledOnce();
    expect(next.view(61_000).heldOffMs).toBe(0);
  });

  it("go on in the next instance where the last one's were confirmed", async () => {
    const { storage, syncs } = slowDisk();
    const id = crypto.randomUUID();
    const writes = new StorageWrites(storage, id, 0);
    writes.write(noop, 0);
    syncs[0]?.resolve();
    await syncs[0]?.promise;
    expect(new StorageWrites(storage, id, 10).isHeldOff(10)).toBe(false);
  });

  it("hold off though the instance before still hears that a write of its own was confirmed", async () => {
    const { storage, syncs } = slowDisk();
    const id = crypto.randomUUID();
    new StorageWrites(storage, id, 0).write(noop, 0);
    const next = new StorageWrites(storage, id, 10);
    syncs[0]?.resolve();
    await syncs[0]?.promise;
    expect(next.isHeldOff(20)).toBe(true);
    expect(new StorageWrites(storage, id, 30).isHeldOff(40)).toBe(true);
  });

  it("are held off where one throws or the disk refuses it", async () => {
    const { storage, syncs } = slowDisk();
    const thrown = new StorageWrites(storage, crypto.randomUUID(), 0);
    thrown.write(() => {
      throw new Error("disk full");
    }, 0);
    expect(thrown.view(1)).toEqual({ heldOffMs: 59_999, failures: 1 });
    const refused = new StorageWrites(storage, crypto.randomUUID(), 0);
    refused.write(noop, 0);
    syncs.at(-1)?.reject(new Error("disk full"));
    await vi.waitFor(() => expect(refused.view(1)).toEqual({ heldOffMs: 59_999, failures: 1 }));
  });

  it("of one object tell nothing about another's", () => {
    const { storage } = slowDisk();
    new StorageWrites(storage, crypto.randomUUID(), 0).write(noop, 0);
    expect(new StorageWrites(storage, crypto.randomUUID(), 1).isHeldOff(1)).toBe(false);
  });
});

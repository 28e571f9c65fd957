import { close, fsync, openSync, writeSync } from "node:fs";
import { mkdir, readdir, readFile, rename, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { crc32 } from "node:zlib";
import { readSavedPod, SAVED_POD_START, type SavedPod, type SavedPodResult, savedPodEnd } from "./saved-pod.ts";

const SUFFIX = ".blocks";
const STALE_AFTER_MS = 24 * 60 * 60 * 1000;

/**
 * A folder with one file for each pod's saved tables. They hold prompts as token ids: only the owner can read them. A
 * file is replaced at once when the new one is safe on the disk.
 */
export class StateFolder {
  readonly #folder: string;
  #drafts = 0;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Makes the folder if need be and removes what was left in it by pods long gone. Rejects if it cannot be used. */
  static async open(folder: string, nowMs: number): Promise<StateFolder> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const name of await readdir(folder)) {
      const file = join(folder, name);
      if (!name.endsWith(SUFFIX) && !name.includes(`${SUFFIX}.`)) continue;
      const isDraft = !name.endsWith(SUFFIX);
      if (isDraft || nowMs - (await stat(file)).mtimeMs > STALE_AFTER_MS) await unlink(file);
    }
    return new StateFolder(folder);
  }

  /**
   * Saves a pod. `writeBlocks` is called once, before this returns: it writes the blocks and says how they are read, or
   * that there is nothing to save. False if nothing was saved. Rejects where the disk fails.
   */
  async save(
    pod: string,
    process: string,
    writeBlocks: (write: (bytes: Buffer) => void) => SavedPod["tables"] | undefined,
  ): Promise<boolean> {
    const draft = `${this.#fileOf(pod)}.${this.#drafts++}`;
    const descriptor = openSync(draft, "w", 0o600);
    let tables: SavedPod["tables"] | undefined;
    try {
      let blocksCrc = 0;
      writeWhole(descriptor, SAVED_POD_START);
      tables = writeBlocks((bytes) => {
        blocksCrc = crc32(bytes, blocksCrc);
        writeWhole(descriptor, bytes);
      });
      if (tables !== undefined) writeWhole(descriptor, savedPodEnd({ pod, process, tables }, blocksCrc));
      await promisify(fsync)(descriptor);
    } finally {
      await promisify(close)(descriptor);
      if (tables === undefined) await unlink(draft);
    }
    if (tables !== undefined) await rename(draft, this.#fileOf(pod));
    return tables !== undefined;
  }

  /** What was saved of a pod; undefined if nothing. */
  async load(pod: string): Promise<SavedPodResult | undefined> {
    let bytes: Buffer;
    try {
      bytes = await readFile(this.#fileOf(pod));
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      return { ok: false, fault: String(error) };
    }
    return readSavedPod(bytes);
  }

  #fileOf(pod: string): string {
    return join(this.#folder, `${encodeURIComponent(pod)}${SUFFIX}`);
  }
}

function writeWhole(descriptor: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.byteLength; ) at += writeSync(descriptor, bytes, at);
}

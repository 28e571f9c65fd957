import type { Logger } from "pino";
import type { PodTranslation } from "./pod-translation.ts";
import type { StateFolder } from "./state-folder.ts";

/** A pod whose tables can be saved. */
export type SavedTarget = {
  readonly name: string;
  /** The engine's process; undefined where a later start could not tell whether it is the same. */
  readonly process: string | undefined;
  readonly translation: PodTranslation;
};

export type TableSaverOptions = {
  readonly folder: StateFolder;
  readonly targets: () => readonly SavedTarget[];
  /** Time between two saves of one pod. */
  readonly everyMs: number;
  readonly nowMs: () => number;
  readonly log: Logger;
};

/** Looks for a pod that is due this often; one at a time, since writing its blocks keeps the process from other work. */
const TICKS = 16;

/** A pod is first saved so soon: what all its prompts begin with is announced once, and mostly at the start. */
const FIRST_AFTER_MS = 3_000;

/** Saves the tables of pods now and then, each a while after it last was, if it has taken events since. */
export class TableSaver {
  readonly #options: TableSaverOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #lastSaves = new WeakMap<PodTranslation, { atMs: number; sequence: number | undefined }>();
  #saving: Promise<void> = Promise.resolve();

  constructor(options: TableSaverOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#saveNext(), options.everyMs / TICKS);
    this.#timer.unref();
  }

  /** Saves a pod's tables now. Never rejects. */
  save(target: SavedTarget): Promise<void> {
    this.#saving = Promise.all([this.#saving, this.#save(target)]).then(() => undefined);
    return this.#saving;
  }

  /** Saves whatever changed, and ends. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const target of this.#options.targets()) if (this.#hasChanged(target)) void this.save(target);
    await this.#saving;
  }

  #saveNext(): void {
    const dueBeforeMs = this.#options.nowMs() - this.#options.everyMs;
    const due = this.#options.targets().find((target) => {
      const last = this.#lastSaves.get(target.translation);
      if (last === undefined) this.#note(target, undefined, dueBeforeMs + FIRST_AFTER_MS);
      return last !== undefined && last.atMs <= dueBeforeMs && this.#hasChanged(target);
    });
    if (due !== undefined) void this.save(due);
  }

  #hasChanged({ translation }: SavedTarget): boolean {
    return this.#lastSaves.get(translation)?.sequence !== translation.position?.sequence;
  }

  #note({ translation }: SavedTarget, sequence: number | undefined, atMs: number): void {
    this.#lastSaves.set(translation, { atMs, sequence });
  }

  async #save(target: SavedTarget): Promise<void> {
    const { name, process, translation } = target;
    if (process === undefined) return;
    this.#note(target, translation.position?.sequence, this.#options.nowMs());
    try {
      await this.#options.folder.save(name, process, (write) => translation.save(write));
    } catch (error) {
      this.#options.log.warn({ err: error, pod: name }, "KV-event table could not be saved");
    }
  }
}

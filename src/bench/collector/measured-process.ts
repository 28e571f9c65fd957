import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** What a process has used since it started, all of its threads together. */
export type ProcessUsage = { readonly cpuMs: number; readonly peakRssMb: number; readonly rssMb: number };

const PATIENCE_MS = 5_000;
const LAST_WORDS = 20;

/** A Node program in a process of its own that can be asked what it uses. */
export class MeasuredProcess {
  readonly #process: ChildProcess;
  readonly #gone: Promise<unknown>;
  readonly #lastWords: string[] = [];

  /**
   * `report` is the built usage-report.ts: built, since stripping its types would cost the process 30 MB. `onLine` takes
   * each line of its standard output. `nodeArgs` are for Node itself.
   */
  constructor(options: {
    readonly script: string;
    readonly report: string;
    readonly args: readonly string[];
    readonly nodeArgs: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly onLine: (line: string) => void;
  }) {
    const { PATH = "", HOME = "" } = process.env;
    this.#process = fork(options.script, options.args, {
      execArgv: ["--import", options.report, ...options.nodeArgs],
      env: { PATH, HOME, ...options.env },
      silent: true,
    });
    this.#gone = once(this.#process, "exit");
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => {
        this.#lastWords.push(line);
        if (this.#lastWords.length > LAST_WORDS) this.#lastWords.shift();
        if (stream === this.#process.stdout) options.onLine(line);
      });
    }
  }

  /** Its last lines, where it ended by itself; undefined while it runs. */
  get end(): string | undefined {
    const { exitCode, signalCode } = this.#process;
    if (exitCode === null && signalCode === null) return undefined;
    return [`ended (${exitCode ?? signalCode})`, ...this.#lastWords].join("\n  ");
  }

  /** Rejects if it has ended. */
  async usage(): Promise<ProcessUsage> {
    const answer = once(this.#process, "message");
    this.#process.send("usage");
    const [usage] = await Promise.race([answer, this.#gone.then(() => Promise.reject(new Error(this.end)))]);
    return usage as ProcessUsage;
  }

  /** Ends it and resolves when it is gone; killed if it does not go by itself. */
  async stop(): Promise<void> {
    if (this.end !== undefined) return;
    this.#process.kill("SIGTERM");
    const impatience = setTimeout(() => this.#process.kill("SIGKILL"), PATIENCE_MS);
    await this.#gone;
    clearTimeout(impatience);
  }
}

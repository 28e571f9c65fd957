import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

/** A process of the stack. */
export type RunningChild = {
  readonly pid: number;
  /** Ends it and resolves when it is gone; killed if it does not go by itself. */
  readonly stop: () => Promise<void>;
  /** Ends it without a chance to clean up. */
  readonly kill: () => Promise<void>;
};

const LAST_WORDS = 20;
const PATIENCE_MS = 5_000;

/** What is started, and what is told of it. */
export type ChildOptions = {
  readonly name: string;
  /** Arguments of this Node: script and options. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** It ended although nobody stopped it; with its last words. */
  readonly onCrash: (message: string) => void;
};

/** Starts a Node program. Its output is kept only for its last words. */
export function startChild(options: ChildOptions): {
  readonly child: RunningChild;
  readonly firstLine: Promise<string>;
} {
  const process_ = spawn(process.execPath, options.args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...basicEnvironment(), ...options.env },
  });
  const gone = once(process_, "exit");
  const lastWords: string[] = [];
  const firstLine = new Promise<string>((resolve, reject) => {
    for (const stream of [process_.stdout, process_.stderr] as Readable[]) {
      createInterface({ input: stream }).on("line", (line) => {
        if (stream === process_.stdout) resolve(line);
        lastWords.push(line);
        if (lastWords.length > LAST_WORDS) lastWords.shift();
      });
    }
    process_.once("error", reject);
    process_.once("exit", (code, signal) => reject(new Error(endMessage(options.name, code ?? signal, lastWords))));
  });
  // Whoever does not wait for a first line hears of the end by `onCrash`.
  firstLine.catch(() => undefined);
  let stopping = false;
  process_.once("exit", (code, signal) => {
    if (!stopping) options.onCrash(endMessage(options.name, code ?? signal, lastWords));
  });
  const stop = async (): Promise<void> => {
    stopping = true;
    await endProcess(process_, gone);
  };
  const kill = async (): Promise<void> => {
    stopping = true;
    process_.kill("SIGKILL");
    await gone;
  };
  return { child: { pid: process_.pid ?? 0, stop, kill }, firstLine };
}

async function endProcess(process_: ChildProcess, gone: Promise<unknown>): Promise<void> {
  if (process_.exitCode !== null || process_.signalCode !== null) return;
  process_.kill("SIGTERM");
  const impatience = setTimeout(() => process_.kill("SIGKILL"), PATIENCE_MS);
  await gone;
  clearTimeout(impatience);
}

function endMessage(name: string, how: number | NodeJS.Signals | null, lastWords: readonly string[]): string {
  return [`${name} ended (${how})`, ...lastWords].join("\n  ");
}

/** Secrets of the caller's environment do not reach the children. */
function basicEnvironment(): Record<string, string> {
  const { PATH = "", HOME = "", TMPDIR } = process.env;
  return { PATH, HOME, ...(TMPDIR !== undefined && { TMPDIR }) };
}

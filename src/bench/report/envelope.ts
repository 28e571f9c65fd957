import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";

const require = createRequire(import.meta.url);

/** What every measuring command prints with `--json`, as the last line of its output. */
export type Envelope<Row> = {
  readonly schema: "warmpath.bench/1";
  readonly command: string;
  readonly argv: readonly string[];
  /** The measured commit; null outside a git checkout. */
  readonly commit: string | null;
  readonly seed: number;
  readonly machine: { readonly cores: number; readonly node: string; readonly workerd: string };
  readonly startedAt: string;
  readonly durationS: number;
  readonly invariantsHeld: boolean;
  /** A line for each invariant that broke. */
  readonly brokenInvariants: readonly string[];
  /** How figures were taken, where a name alone does not say it. */
  readonly notes: readonly string[];
  readonly rows: readonly Row[];
} & Readonly<Record<string, unknown>>;

/** What a command knows of its own run. */
export type Measured<Row> = {
  readonly command: string;
  readonly seed: number;
  readonly startedAtMs: number;
  readonly brokenInvariants: readonly string[];
  readonly notes: readonly string[];
  readonly rows: readonly Row[];
  /** Figures about the whole run. */
  readonly more?: Readonly<Record<string, unknown>>;
};

/** Puts a run's rows into the envelope. `nowMs` is the end of the run. */
export async function envelopeOf<Row>(measured: Measured<Row>, nowMs: number): Promise<Envelope<Row>> {
  const { command, seed, startedAtMs, brokenInvariants, notes, rows, more } = measured;
  return {
    schema: "warmpath.bench/1",
    command,
    argv: process.argv.slice(2),
    commit: await currentCommit(),
    seed,
    machine: { cores: availableParallelism(), node: process.versions.node, workerd: workerdVersion() },
    startedAt: new Date(startedAtMs).toISOString(),
    durationS: Math.round((nowMs - startedAtMs) / 10) / 100,
    invariantsHeld: brokenInvariants.length === 0,
    brokenInvariants,
    notes,
    ...more,
    rows,
  };
}

async function currentCommit(): Promise<string | null> {
  try {
    const { stdout } = await promisify(execFile)("git", ["rev-parse", "HEAD"], { cwd: import.meta.dirname });
    return stdout.trim();
  } catch {
    // A copy without git history, or a machine without git: the figures hold all the same.
    return null;
  }
}

function workerdVersion(): string {
  return (require("workerd/package.json") as { version: string }).version;
}

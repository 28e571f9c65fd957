import { mkdir, readdir, stat } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { chatBodies } from "../proxy/request-bodies.ts";
import { startWarmpathTarget, type WarmpathTarget } from "../proxy/warmpath-target.ts";
import { progress } from "../report/progress.ts";
import { startChild } from "../stack/child-process.ts";
import { waitUntil } from "../stack/wait-until.ts";
import { type CheckpointRow, checkpointRow, type LatencyPair } from "./checkpoint-row.ts";
import { ClaimChurn } from "./claim-churn.ts";
import { requestsInTurn } from "./requests-in-turn.ts";

const UPSTREAM_SCRIPT = fileURLToPath(new URL("../proxy/upstream-process.ts", import.meta.url));
const MODEL = "qwen3-8b";
const BODY = { bodyKb: 2, messages: 2 };
const WARM_UP_S = 3;
const FILLED_WITHIN_MS = 60_000;
const QUIET_MS = 20_000;
/** As docs/storage-schema.md has it. */
const STORED_CLAIM_BYTES = 12;

export type CheckpointOptions = {
  readonly repeats: number;
  readonly seconds: number;
  readonly pods: number;
  readonly claims: number;
  readonly changesPerS: number;
  readonly folder: string;
  readonly signal: AbortSignal;
};

export type CheckpointResult = { readonly row: CheckpointRow; readonly broken: readonly string[] };

type Side = WarmpathTarget & { readonly churn: ClaimChurn; readonly folder: string };

/** Times requests to two edges that differ in one thing: whether their router's state is written to disk. */
export async function runCheckpoint(options: CheckpointOptions): Promise<CheckpointResult> {
  const { repeats, seconds, pods, changesPerS, signal } = options;
  const stops: (() => Promise<void>)[] = [];
  const crashes: string[] = [];
  try {
    progress("starting two edges ...");
    const onCrash = (message: string): void => void crashes.push(message);
    const upstream = startChild({ name: "upstream", args: [UPSTREAM_SCRIPT], env: {}, onCrash });
    stops.push(upstream.child.stop);
    const { url } = z.object({ url: z.string() }).parse(JSON.parse(await upstream.firstLine));
    const start = async (name: "on" | "off"): Promise<Side> => {
      const side = await startSide(name, url, options);
      stops.push(side.stop);
      return side;
    };
    const edges = { on: await start("on"), off: await start("off") };
    const sides = [edges.on, edges.off];
    progress(`telling each of ${options.claims} claims ...`);
    const full = await waitUntil(async () => sides.every(({ churn }) => churn.isFull), FILLED_WITHIN_MS, signal);
    if (!full) throw new Error(`the index was not full after ${FILLED_WITHIN_MS / 1_000} s`);
    const bodies = chatBodies(MODEL, BODY, false);
    await requestsInTurn(edges, bodies, WARM_UP_S, signal);
    const claims = Math.min(...(await Promise.all(sides.map(heldClaims))));
    const changedBefore = edges.on.churn.changed;
    const pairs: LatencyPair[] = [];
    for (let i = 1; i <= repeats; i++) {
      progress(`repeat ${i} of ${repeats} ...`);
      pairs.push(await requestsInTurn(edges, bodies, seconds, signal));
    }
    const measuredS = repeats * seconds;
    const sent = pairs.reduce((sum, { on }) => sum + on.length, 0);
    const counts = {
      pods,
      claims,
      claimChangesPerS: Math.round((edges.on.churn.changed - changedBefore) / measuredS),
      leasesPerS: Math.round(sent / measuredS),
      requests: 2 * sent,
      storedBytes: await bytesIn(path.join(edges.on.folder, "objects")),
    };
    const row = checkpointRow(counts, pairs);
    const broken = await brokenInvariants(row, edges, changesPerS, signal);
    return { row, broken: [...crashes, ...broken] };
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

async function startSide(name: "on" | "off", upstreamUrl: string, options: CheckpointOptions): Promise<Side> {
  const { pods, claims, changesPerS } = options;
  const folder = path.join(options.folder, name);
  await mkdir(folder, { recursive: true });
  const churn = new ClaimChurn(pods, claims, changesPerS);
  const target = await startWarmpathTarget({
    folder,
    model: MODEL,
    pods,
    upstreamUrl,
    claims: () => churn.take(performance.now()),
    environment: { WARMPATH_CHECKPOINTS: name },
  });
  return { ...target, churn, folder };
}

async function heldClaims(side: Side): Promise<number> {
  const { confirmedClaims, speculativeClaims } = await side.figures();
  return confirmedClaims + speculativeClaims;
}

async function bytesIn(folder: string): Promise<number> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const sizes = files
    .filter((file) => file.isFile())
    // What SQLite has just put away is not there any more.
    .map(({ parentPath, name }) =>
      stat(path.join(parentPath, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

async function brokenInvariants(
  { claims, claimChangesPerS, storedBytes }: CheckpointRow,
  { on, off }: { readonly on: Side; readonly off: Side },
  changesPerS: number,
  signal: AbortSignal,
): Promise<string[]> {
  const broken: string[] = [];
  if (storedBytes < STORED_CLAIM_BYTES * claims)
    broken.push(`only ${storedBytes} bytes of ${claims} claims were stored`);
  if ((await off.figures()).storage.savedMsAgo !== undefined) broken.push("the edge without checkpoints wrote some");
  if (claimChangesPerS < changesPerS / 2) broken.push(`claims changed ${claimChangesPerS} times a second only`);
  for (const side of [on, off]) {
    const closed = await waitUntil(async () => (await side.figures()).leases === 0, QUIET_MS, signal);
    if (!closed) broken.push(`${(await side.figures()).leases} leases are open after the last answer`);
  }
  return broken;
}

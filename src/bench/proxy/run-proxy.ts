import { mkdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { progress } from "../report/progress.ts";
import { startChild } from "../stack/child-process.ts";
import { waitUntil } from "../stack/wait-until.ts";
import { STREAM_ANSWER_END, WHOLE_ANSWER_END } from "./canned-answers.ts";
import { type LoadDriver, startLoadDriver } from "./load-driver.ts";
import type { LoadResult } from "./load-job.ts";
import { startPlainProxy } from "./plain-proxy.ts";
import { type Pair, type ProxyCase, type ProxyRow, proxyRow } from "./proxy-row.ts";
import { BODY_SHAPES, chatBodies, fillBody } from "./request-bodies.ts";
import { startWarmpathTarget, type WarmpathTarget } from "./warmpath-target.ts";

const UPSTREAM_SCRIPT = fileURLToPath(new URL("./upstream-process.ts", import.meta.url));
const MODEL = "qwen3-8b";
const SEGMENT_BYTES = 256;
const FILL_BYTES = 512 * 1024;
const FILL_AT_ONCE = 4;
const WARM_UP_S = 1;
const QUIET_MS = 20_000;

export type ProxyOptions = {
  readonly repeats: number;
  readonly seconds: number;
  readonly pods: number;
  /** (segment, pod) pairs to fill the index with before measuring. */
  readonly claims: number;
  readonly folder: string;
  readonly signal: AbortSignal;
};

export type ProxyResult = {
  readonly rows: readonly ProxyRow[];
  readonly broken: readonly string[];
  /** (segment, pod) pairs in the index when measuring began. */
  readonly claims: number;
};

type Target = { readonly url: string; readonly headers: Readonly<Record<string, string>> };

/** Measures the three ways to the same upstream: direct, through a plain proxy, through Warmpath. */
export async function runProxy(options: ProxyOptions): Promise<ProxyResult> {
  const stops: (() => Promise<void>)[] = [];
  const crashes: string[] = [];
  try {
    progress("starting the upstream, a plain proxy and the edge ...");
    const onCrash = (message: string): void => void crashes.push(message);
    const upstream = startChild({ name: "upstream", args: [UPSTREAM_SCRIPT], env: {}, onCrash });
    stops.push(upstream.child.stop);
    const { url } = z.object({ url: z.string() }).parse(JSON.parse(await upstream.firstLine));
    const plainFolder = path.join(options.folder, "plain");
    await mkdir(plainFolder, { recursive: true });
    const plain = await startPlainProxy(plainFolder, url);
    stops.push(() => plain.stop());
    const { folder, pods } = options;
    const warmpath = await startWarmpathTarget({ folder, model: MODEL, pods, upstreamUrl: url });
    stops.push(warmpath.stop);
    const driver = startLoadDriver(options.signal);
    stops.push(driver.stop);

    const claims = await fillIndex(warmpath, options);
    const targets = {
      direct: { url, headers: {} },
      plain: { url: plain.url, headers: {} },
      warmpath: { url: warmpath.url, headers: { authorization: `Bearer ${warmpath.apiKey}` } },
    };
    const rows: ProxyRow[] = [];
    for (const kind of cases()) rows.push(await measureCase(kind, targets, driver, options));
    return { rows, broken: [...crashes, ...(await brokenInvariants(rows, warmpath, options))], claims };
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

function cases(): ProxyCase[] {
  return BODY_SHAPES.flatMap((shape) =>
    [1, 32].flatMap((concurrency) => [false, true].map((stream) => ({ ...shape, concurrency, stream }))),
  );
}

/** Sends long prompts in turn to all pods until the index holds what was asked for. */
async function fillIndex(target: WarmpathTarget, { claims, signal }: ProxyOptions): Promise<number> {
  progress(`filling the index with ${claims} claims ...`);
  const prompts = Math.ceil(claims / (FILL_BYTES / SEGMENT_BYTES));
  const indexes = Array.from({ length: prompts }, (_, i) => i).values();
  const sender = async (): Promise<void> => {
    for (const index of indexes) {
      signal.throwIfAborted();
      const answer = await fetch(`${target.url}/v1/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${target.apiKey}`, "routing-strategy": "round-robin" },
        body: fillBody(MODEL, index, FILL_BYTES),
        signal,
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`filling the index: ${answer.status} ${text}`);
    }
  };
  await Promise.all(Array.from({ length: FILL_AT_ONCE }, sender));
  const { confirmedClaims, speculativeClaims } = await target.figures();
  const held = confirmedClaims + speculativeClaims;
  progress(`the index holds ${held} claims`);
  return held;
}

async function measureCase(
  kind: ProxyCase,
  targets: Readonly<Record<"direct" | "plain" | "warmpath", Target>>,
  driver: LoadDriver,
  { repeats, seconds }: ProxyOptions,
): Promise<ProxyRow> {
  const bodies = chatBodies(MODEL, kind, kind.stream);
  const spell = (target: Target, durationS: number): Promise<LoadResult> => {
    const { hostname: host, port } = new URL(target.url);
    const answerEnd = kind.stream ? STREAM_ANSWER_END : WHOLE_ANSWER_END;
    const { concurrency } = kind;
    const shared = { path: "/v1/chat/completions", bodies, concurrency, answerEnd };
    return driver.run({ ...shared, host, port: Number(port), headers: target.headers, seconds: durationS });
  };
  await spell(targets.plain, WARM_UP_S);
  await spell(targets.warmpath, WARM_UP_S);
  const direct = await spell(targets.direct, seconds);
  const pairs: Pair[] = [];
  for (let i = 0; i < repeats; i++) {
    pairs.push({ plain: await spell(targets.plain, seconds), warmpath: await spell(targets.warmpath, seconds) });
  }
  const row = proxyRow(kind, direct, pairs);
  const { bodyKb, concurrency, stream } = kind;
  progress(`${bodyKb} KB, concurrency ${concurrency}, ${stream ? "stream" : "whole"}: ratio ${row.throughputRatio}`);
  return row;
}

async function brokenInvariants(
  rows: readonly ProxyRow[],
  warmpath: WarmpathTarget,
  { pods, signal }: ProxyOptions,
): Promise<string[]> {
  const broken: string[] = [];
  for (const target of ["direct", "plain", "warmpath"] as const) {
    const failed = rows.reduce((sum, row) => sum + row[target].failed, 0);
    if (failed > 0) broken.push(`${failed} requests to ${target} failed`);
  }
  const closed = await waitUntil(async () => (await warmpath.figures()).leases === 0, QUIET_MS, signal);
  if (!closed) broken.push(`${(await warmpath.figures()).leases} leases are open after the last answer`);
  const known = (await warmpath.figures()).pods.length;
  if (known !== pods) broken.push(`the router knows ${known} of ${pods} pods`);
  return broken;
}

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { expect, vi } from "vitest";
import { stringify } from "yaml";
import { type Collector, startCollector } from "../../src/collector/collector.ts";
import { newApiKey } from "../../src/protocol/api-key.ts";
import type { RouterView } from "../../src/routing/router-view.ts";
import type { Bundle } from "../../src/selfhost/bundle.ts";
import { type EdgeProcess, startEdge } from "../../src/selfhost/edge-process.ts";
import type { SettingsFile } from "../../src/settings/settings.ts";
import { type SimulatedEngine, startEngine } from "../../src/sim/engine/engine.ts";
import type { EngineOptionsInput } from "../../src/sim/engine/engine-options.ts";

const KEEPS_ALL_PODS = { mostEjectedShare: 0, retriesPerSecond: 1_000 };

export const BUNDLE_FOLDER = fileURLToPath(new URL("../../dist/e2e/", import.meta.url));

export const SECRETS = {
  WARMPATH_SECRET: "the deployment's secret",
  WARMPATH_HASH_SECRET: "the secret behind segment hashes",
  WARMPATH_ADMIN_KEY: "the administrator's key",
  WARMPATH_CLUSTER_LOCAL_KEY: "the local cluster's key",
  WARMPATH_CLUSTER_OTHER_KEY: "the other cluster's key",
} as const;

export const MODEL = "qwen3-8b";

export type LiveStack = {
  readonly edge: EdgeProcess;
  readonly engines: readonly SimulatedEngine[];
  readonly collector: Collector;
  /** The Worker's log lines. */
  readonly logs: readonly string[];
  /** A key for all models, with debug headers. */
  readonly apiKey: string;
  /** A key for a model that no pod serves. */
  readonly narrowKey: string;
  /** A model's router as the admin API shows it. */
  inspect(model?: string): Promise<RouterView>;
  /** Waits until no request is in flight anywhere and the router agrees, on every pod. */
  quiet(withinMs?: number): Promise<void>;
  /** Kills workerd and starts it anew on the same port and storage. */
  restartEdge(): Promise<void>;
  stop(): Promise<void>;
};

export type StackOptions = {
  readonly engines?: number;
  readonly engine?: EngineOptionsInput;
  readonly settings?: Partial<SettingsFile>;
  /** A tokenizer.json: the collector turns KV events into claims with it. */
  readonly tokenizerJson?: string;
  /** Where the edge stores Durable Objects; without it, in a folder of the stack's own. */
  readonly storageFolder?: string;
};

/** The whole system on loopback: simulated engines, a collector and plain workerd with Durable Objects on disk. */
export async function startStack(options: StackOptions = {}): Promise<LiveStack> {
  const folder = await mkdtemp(path.join(tmpdir(), "warmpath-e2e-"));
  const engines = await Promise.all(
    Array.from({ length: options.engines ?? 2 }, (_, i) =>
      startEngine({
        name: `engine-${i}`,
        model: MODEL,
        adapters: ["sql-lora"],
        timeScale: 10,
        seed: i,
        ...options.engine,
      }),
    ),
  );
  const [all, narrow] = await Promise.all([
    newApiKey("all", SECRETS.WARMPATH_SECRET),
    newApiKey("narrow", SECRETS.WARMPATH_SECRET),
  ]);
  const bundle: Bundle = { folder: BUNDLE_FOLDER, configFile: path.join(BUNDLE_FOLDER, "workerd.capnp") };
  const logs: string[] = [];
  const startEdgeAt = (address: string): Promise<EdgeProcess> =>
    startEdge({
      bundle,
      settings: {
        clusters: [
          { name: "local", upstream: { kind: "direct" }, pushKeys: ["WARMPATH_CLUSTER_LOCAL_KEY"] },
          { name: "other", upstream: { kind: "direct" }, pushKeys: ["WARMPATH_CLUSTER_OTHER_KEY"] },
        ],
        // These tests break pods on purpose, and look at each failure: none is left out, and nobody waits for a first pod.
        models: [
          { name: MODEL, adapters: ["sql-lora"], health: KEEPS_ALL_PODS },
          { name: "unserved", queue: { holdWithoutPods: false } },
          { name: "scripted", health: KEEPS_ALL_PODS, queue: { holdWithoutPods: false } },
        ],
        keys: [
          { id: "all", sha256: all.sha256, debug: true },
          { id: "narrow", sha256: narrow.sha256, models: ["unserved"] },
        ],
        ...options.settings,
      },
      secrets: SECRETS,
      storageFolder: options.storageFolder ?? path.join(folder, "objects"),
      address,
      onLog: (line) => void logs.push(line),
    });
  let edge = await startEdgeAt("127.0.0.1:0");
  const endpointsFile = path.join(folder, "endpoints.yaml");
  const endpoints = engines.map(({ name, url, kvEvents, kvReplay }) => ({
    name: `default/${name}`,
    url,
    ...(kvEvents !== null && { kvEvents }),
    ...(kvReplay !== null && { kvReplay }),
  }));
  const { tokenizerJson } = options;
  const models = tokenizerJson === undefined ? [] : [{ name: MODEL, tokenizerJson }];
  await writeFile(endpointsFile, stringify({ endpoints, models }));
  const collector = await startCollector({
    endpointsFile,
    edgeUrl: edge.url,
    cluster: "local",
    source: "node-a",
    clusterKey: SECRETS.WARMPATH_CLUSTER_LOCAL_KEY,
    log: pino({ level: "silent" }),
    hashSecret: SECRETS.WARMPATH_HASH_SECRET,
    timing: { scrapeEveryMs: 200 },
  });

  const inspect = async (model = MODEL): Promise<RouterView> => {
    const answer = await fetch(`${edge.url}/admin/v1/models/${model}`, {
      headers: { authorization: `Bearer ${SECRETS.WARMPATH_ADMIN_KEY}` },
    });
    return (await answer.json()) as RouterView;
  };
  const stack: LiveStack = {
    get edge() {
      return edge;
    },
    engines,
    collector,
    logs,
    apiKey: all.key,
    narrowKey: narrow.key,
    inspect,
    quiet: (withinMs = 15_000) =>
      vi.waitFor(
        async () => {
          const none = engines.map(() => 0);
          expect(engines.map((engine) => engine.state().inFlight)).toEqual(none);
          const { leases, pods } = await inspect();
          expect(leases).toBe(0);
          expect(pods.map(({ inFlight }) => inFlight)).toEqual(none);
          expect(pods.map(({ backlogTokens }) => backlogTokens)).toEqual(none);
        },
        { timeout: withinMs, interval: 50 },
      ),
    restartEdge: async () => {
      const { host } = new URL(edge.url);
      await edge.stop("SIGKILL");
      edge = await startEdgeAt(host);
    },
    stop: async () => {
      await collector.close();
      await edge.stop();
      await Promise.all(engines.map((engine) => engine.close()));
      await rm(folder, { recursive: true, force: true });
    },
  };
  await vi.waitFor(
    async () => {
      const ready = (await inspect()).pods.filter(({ state }) => state === "ready");
      expect(ready).toHaveLength(engines.length);
    },
    { timeout: 20_000, interval: 50 },
  );
  return stack;
}

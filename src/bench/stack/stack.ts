import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { newApiKey } from "../../protocol/api-key.ts";
import { type Bundle, buildBundle } from "../../selfhost/bundle.ts";
import { type EdgeProcess, startEdge } from "../../selfhost/edge-process.ts";
import type { SettingsFile } from "../../settings/settings.ts";
import { type RunningChild, startChild } from "./child-process.ts";
import { type EngineAddress, type EngineSettings, startEngines } from "./engines.ts";
import { QWEN_TOKENIZER_FILE, qwenPromptSettings } from "./qwen-model.ts";
import { readRouter } from "./router-view.ts";
import { waitUntil } from "./wait-until.ts";

const COLLECTOR_SCRIPT = fileURLToPath(new URL("../../collector/main.ts", import.meta.url));
const CLUSTER = "local";
/** Where the edge and the collector of a stack find the key that signs pushes. */
export const CLUSTER_KEY_VARIABLE = "WARMPATH_CLUSTER_LOCAL_KEY";
const READY_MS = 30_000;

/** A running stack on loopback: engines, collector and edge, each a process of its own. */
export type Stack = {
  readonly edgeUrl: string;
  readonly model: string;
  readonly cluster: string;
  /** Seeds segment hashes. */
  readonly hashSecret: string;
  /** A key with debug headers. */
  readonly apiKey: string;
  /** The keys of the tenants that were asked for, by name. */
  readonly tenantKeys: ReadonlyMap<string, string>;
  readonly adminKey: string;
  readonly engines: readonly EngineAddress[];
  readonly collector: StackCollector;
  /** Process of the edge. */
  readonly edgePid: number;
  /** Last words of processes that ended by themselves. */
  readonly crashes: readonly string[];
  /** Ends every process and removes what was written. */
  readonly stop: () => Promise<void>;
};

/** The stack's collector, which can be taken away for a while. */
export type StackCollector = {
  readonly pid: () => number;
  /** Kills it without a chance to clean up. */
  readonly kill: () => Promise<void>;
  /** Starts it anew. */
  readonly start: () => void;
};

/** Addresses that the collector is given in place of the real ones. */
export type Detours = {
  readonly kvEvents: (engine: EngineAddress) => Promise<string>;
  readonly pushes: (edgeUrl: string) => Promise<string>;
};

/** Of the one model, and of the deployment. */
export type StackSettings = Pick<SettingsFile["models"][number], "queue"> & Pick<SettingsFile, "limits">;

export type StackOptions = {
  readonly bundle: Bundle;
  readonly engines: EngineSettings;
  /** Names of clients that get an API key each, beside the stack's own. */
  readonly tenants?: readonly string[];
  /** What the settings say that is not the default. */
  readonly settings?: StackSettings;
  /** Further options of the collector's command line. */
  readonly collectorArgs?: readonly string[];
  readonly detours?: Detours;
  /** Port of the edge; 0 lets the system choose. */
  readonly edgePort: number;
  readonly signal: AbortSignal;
};

/** Builds the Worker into a folder, for any number of stacks. `variables`: what else of its environment it is to see. */
export function buildStackBundle(folder: string, variables: readonly string[] = []): Promise<Bundle> {
  return buildBundle(folder, [CLUSTER_KEY_VARIABLE, ...variables]);
}

/** Starts a stack and resolves when the edge knows every pod as ready. Leaves nothing behind if it rejects. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const folder = await mkdtemp(path.join(tmpdir(), "warmpath-stack-"));
  const stops: (() => Promise<void>)[] = [];
  const crashes: string[] = [];
  const stop = async (): Promise<void> => {
    for (const end of stops.splice(0).reverse()) await end();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const { model } = options.engines;
    const secrets = newSecrets();
    const { key, sha256 } = await newApiKey("demo", secrets.WARMPATH_SECRET);
    const tenants = await tenantsOf(options.tenants ?? [], secrets.WARMPATH_SECRET);
    // Made before anything starts: what throws between two starts would leave the first one alone.
    const settings = await settingsFor(model, sha256, tenants, options.settings);
    const onCrash = (message: string): void => void crashes.push(message);
    const [engines, edge] = await bothStarted(
      startEngines(options.engines, onCrash).then((started) => {
        stops.push(started.child.stop);
        return started;
      }),
      startEdgeProcess(options, secrets, settings, folder).then((started) => {
        stops.push(() => started.stop());
        return started;
      }),
    );
    const collector = await prepareCollector(options, engines.engines, edge.url, secrets, folder, onCrash);
    stops.push(collector.stop);
    collector.start();
    const adminKey = secrets.WARMPATH_ADMIN_KEY;
    const stack: Stack = {
      edgeUrl: edge.url,
      model,
      cluster: CLUSTER,
      hashSecret: secrets.WARMPATH_HASH_SECRET,
      apiKey: key,
      tenantKeys: new Map(tenants.map(({ id, key }) => [id, key])),
      adminKey,
      engines: engines.engines,
      collector,
      edgePid: edge.pid,
      crashes,
      stop,
    };
    const ready = await waitUntil(() => allReady(stack, options.engines.kvEvents), READY_MS, options.signal);
    if (!ready) {
      const { pods } = await readRouter(stack.edgeUrl, stack.adminKey, stack.model);
      const states = pods.map(({ id, state, index }) => `${id}: ${state}, ${index.mode} ${index.reason ?? ""}`);
      throw new Error([`not every pod was ready after ${READY_MS / 1000} s`, ...states, ...crashes].join("\n"));
    }
    return stack;
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Waits for both even if one fails: what is still starting cannot be stopped. */
async function bothStarted<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([a, b]);
  return [await a, await b];
}

type Secrets = {
  readonly WARMPATH_SECRET: string;
  readonly WARMPATH_HASH_SECRET: string;
  readonly WARMPATH_ADMIN_KEY: string;
  readonly [CLUSTER_KEY_VARIABLE]: string;
};

function newSecrets(): Secrets {
  const secret = (): string => randomBytes(24).toString("hex");
  return {
    WARMPATH_SECRET: secret(),
    WARMPATH_HASH_SECRET: secret(),
    WARMPATH_ADMIN_KEY: secret(),
    [CLUSTER_KEY_VARIABLE]: secret(),
  };
}

type Tenant = { readonly id: string; readonly key: string; readonly sha256: string };

function tenantsOf(names: readonly string[], secret: string): Promise<Tenant[]> {
  return Promise.all(names.map(async (id) => ({ id, ...(await newApiKey(id, secret)) })));
}

async function settingsFor(
  model: string,
  keySha256: string,
  tenants: readonly Tenant[],
  { queue, limits }: StackSettings = {},
): Promise<SettingsFile> {
  return {
    clusters: [{ name: CLUSTER, upstream: { kind: "direct" }, pushKeys: [CLUSTER_KEY_VARIABLE] }],
    models: [{ name: model, prompt: await qwenPromptSettings(), queue }],
    keys: [{ id: "demo", sha256: keySha256, debug: true }, ...tenants.map(({ id, sha256 }) => ({ id, sha256 }))],
    limits,
  };
}

function startEdgeProcess(
  { bundle, edgePort }: StackOptions,
  secrets: Secrets,
  settings: SettingsFile,
  folder: string,
): Promise<EdgeProcess> {
  return startEdge({
    bundle,
    settings,
    secrets,
    storageFolder: path.join(folder, "objects"),
    address: `127.0.0.1:${edgePort}`,
  });
}

async function prepareCollector(
  { detours, engines: { model }, collectorArgs = [] }: StackOptions,
  engines: readonly EngineAddress[],
  edgeUrl: string,
  secrets: Secrets,
  folder: string,
  onCrash: (message: string) => void,
): Promise<StackCollector & { readonly stop: () => Promise<void> }> {
  const file = path.join(folder, "endpoints.yaml");
  const endpoints = await Promise.all(
    engines.map(async (engine) => ({
      name: `default/${engine.name}`,
      url: engine.url,
      ...(engine.kvEvents !== null && { kvEvents: (await detours?.kvEvents(engine)) ?? engine.kvEvents }),
      ...(engine.kvReplay !== null && { kvReplay: engine.kvReplay }),
    })),
  );
  await writeFile(file, stringify({ endpoints, models: [{ name: model, tokenizerJson: QWEN_TOKENIZER_FILE }] }));
  const pushUrl = (await detours?.pushes(edgeUrl)) ?? edgeUrl;
  const where = ["--endpoints", file, "--edge", pushUrl, "--cluster", CLUSTER, "--source", "node-a"];
  const how = ["--key-env", CLUSTER_KEY_VARIABLE, "--state-dir", path.join(folder, "collector")];
  const args = [COLLECTOR_SCRIPT, ...where, ...how, "--log-level", "warn", ...collectorArgs];
  const { [CLUSTER_KEY_VARIABLE]: clusterKey, WARMPATH_HASH_SECRET: hashSecret } = secrets;
  const env = { [CLUSTER_KEY_VARIABLE]: clusterKey, WARMPATH_HASH_SECRET: hashSecret };
  let child: RunningChild | undefined;
  return {
    pid: () => child?.pid ?? 0,
    start: () => {
      child = startChild({ name: "collector", args, env, onCrash }).child;
    },
    kill: async () => child?.kill(),
    stop: async () => child?.stop(),
  };
}

async function allReady(stack: Stack, kvEvents: boolean): Promise<boolean> {
  const { pods } = await readRouter(stack.edgeUrl, stack.adminKey, stack.model);
  const ready = pods.filter(({ state, index }) => state === "ready" && (!kvEvents || index.mode !== "approximate"));
  return ready.length === stack.engines.length;
}

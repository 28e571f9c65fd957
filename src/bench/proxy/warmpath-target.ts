import { randomBytes } from "node:crypto";
import path from "node:path";
import { z } from "zod";
import { newApiKey } from "../../protocol/api-key.ts";
import { type EdgeOptions, startEdge } from "../../selfhost/edge-process.ts";
import { qwenPromptSettings } from "../stack/qwen-model.ts";
import { buildStackBundle, CLUSTER_KEY_VARIABLE } from "../stack/stack.ts";
import { reportPods, type SyntheticCluster } from "./synthetic-pods.ts";

const CLUSTER = "local";
/** 100 pods of this size hold 2.5 M segments: what the router's memory is planned for. */
const CAPACITY_TOKENS = 1_600_000;

/** The edge under test with its pods registered. */
export type WarmpathTarget = {
  readonly url: string;
  readonly apiKey: string;
  /** Open leases, (segment, pod) pairs in the index, and when its state was last stored. */
  readonly figures: () => Promise<RouterFigures>;
  /** Kills the edge's process and starts another on the same storage. Times of `performance.now`. */
  readonly restart: () => Promise<{ readonly startedAtMs: number; readonly listeningAtMs: number }>;
  readonly stop: () => Promise<void>;
};

const figuresSchema = z.looseObject({
  leases: z.number(),
  pods: z.array(z.unknown()),
  confirmedClaims: z.number().default(0),
  doubtedClaims: z.number().default(0),
  speculativeClaims: z.number().default(0),
  storage: z.object({ savedMsAgo: z.number().optional() }).default({}),
});
export type RouterFigures = z.infer<typeof figuresSchema>;

export type WarmpathTargetOptions = {
  readonly folder: string;
  readonly model: string;
  readonly pods: number;
  readonly upstreamUrl: string;
  /** Goes on with each push of the pods. */
  readonly claims?: SyntheticCluster["claims"];
  /** What the edge's process finds in its environment beside its secrets. */
  readonly environment?: Readonly<Record<string, string>>;
};

/** Builds and starts the edge with key check, the real Qwen3 template and checkpoints; reports its pods by push. */
export async function startWarmpathTarget(options: WarmpathTargetOptions): Promise<WarmpathTarget> {
  const { folder, model, claims, environment = {} } = options;
  const secret = (): string => randomBytes(24).toString("hex");
  const secrets = { WARMPATH_SECRET: secret(), WARMPATH_ADMIN_KEY: secret(), [CLUSTER_KEY_VARIABLE]: secret() };
  const { key, sha256 } = await newApiKey("bench", secrets.WARMPATH_SECRET);
  const edgeOptions: Omit<EdgeOptions, "address"> = {
    bundle: await buildStackBundle(path.join(folder, "edge"), Object.keys(environment)),
    settings: {
      clusters: [{ name: CLUSTER, upstream: { kind: "direct" }, pushKeys: [CLUSTER_KEY_VARIABLE] }],
      models: [{ name: model, prompt: await qwenPromptSettings() }],
      keys: [{ id: "bench", sha256 }],
    },
    secrets: { ...secrets, ...environment },
    storageFolder: path.join(folder, "objects"),
  };
  let edge = await startEdge({ ...edgeOptions, address: "127.0.0.1:0" });
  try {
    const pods = await reportPods({
      edgeUrl: edge.url,
      cluster: CLUSTER,
      clusterKey: secrets[CLUSTER_KEY_VARIABLE],
      model,
      pods: options.pods,
      podUrl: options.upstreamUrl,
      capacityTokens: CAPACITY_TOKENS,
      ...(claims && { claims }),
    });
    return {
      url: edge.url,
      apiKey: key,
      figures: async () => {
        const headers = { authorization: `Bearer ${secrets.WARMPATH_ADMIN_KEY}` };
        const answer = await fetch(`${edge.url}/admin/v1/models/${model}`, { headers });
        return figuresSchema.parse(await answer.json());
      },
      restart: async () => {
        const address = new URL(edge.url).host;
        await edge.stop("SIGKILL");
        const startedAtMs = performance.now();
        edge = await startEdge({ ...edgeOptions, address });
        return { startedAtMs, listeningAtMs: performance.now() };
      },
      stop: async () => {
        await pods.stop();
        await edge.stop();
      },
    };
  } catch (error) {
    await edge.stop();
    throw error;
  }
}

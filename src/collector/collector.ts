import { randomBytes } from "node:crypto";
import type { Logger } from "pino";
import { loadSegmentHasher } from "../prefix/segment-hash.ts";
import { importHmacKey } from "../protocol/hmac-key.ts";
import { createCollectorMetrics, type IndexCount } from "./collector-metrics.ts";
import type { Endpoint, Endpoints, EndpointsModel } from "./endpoints-file.ts";
import { EndpointsWatch } from "./endpoints-watch.ts";
import { Handshakes } from "./handshake/handshakes.ts";
import { RenderingSource } from "./handshake/rendering-source.ts";
import { HttpRequests } from "./http-requests.ts";
import { type MetricsServer, startMetricsServer } from "./metrics-server.ts";
import { Pod, type PodTiming } from "./pod.ts";
import { EdgeRequests } from "./push/edge-requests.ts";
import type { FeedTiming } from "./push/feed.ts";
import { Feeds } from "./push/feeds.ts";
import { sendPush } from "./push/send-push.ts";
import { EventTranslator } from "./translate/event-translator.ts";
import { StateFolder } from "./translate/state-folder.ts";
import { TokenizerStore } from "./translate/tokenizer/tokenizer-store.ts";
import { noTranslationCounts } from "./translate/translation-counts.ts";

export type CollectorTiming = PodTiming &
  FeedTiming & {
    readonly pushTimeoutMs: number;
    /** Time between two saves of a pod's table. */
    readonly saveEveryMs: number;
    /** How long what the edge says of its rendering stands. */
    readonly renderingFreshMs: number;
    /** Time after which an engine is asked again whether it tokenizes what the edge hashes. */
    readonly proveEveryMs: number;
    /** The same where it could not be asked. */
    readonly proveRetryMs: number;
  };

const DEFAULT_TIMING: CollectorTiming = {
  scrapeEveryMs: 1000,
  scrapeTimeoutMs: 2000,
  modelsEveryMs: 10_000,
  replaySilenceTimeoutMs: 3000,
  replayTotalTimeoutMs: 30_000,
  pushEveryMs: 500,
  debounceMs: 20,
  backoffMinMs: 250,
  backoffMaxMs: 5000,
  pushTimeoutMs: 5000,
  saveEveryMs: 30_000,
  renderingFreshMs: 30_000,
  proveEveryMs: 3_600_000,
  proveRetryMs: 5_000,
};

const SPOOL_BYTES = 32 * 1024 * 1024;
const MESSAGE_CLAIM_BYTES = 1024 * 1024;
const BLOCK_LIMITS = { mostBlocks: 2_000_000, mostWaiting: 50_000 };

/** Of one core, for checking what models wrote. */
const CHECK_CORE_SHARE = 0.25;

export type CollectorOptions = {
  /** Path of the endpoints file. */
  readonly endpointsFile: string;
  readonly edgeUrl: string;
  readonly cluster: string;
  /** This collector's name: stable over restarts, unique in its cluster. */
  readonly source: string;
  /** The cluster's shared secret. */
  readonly clusterKey: string;
  readonly log: Logger;
  /** Port on 127.0.0.1 for the collector's own metrics, 0 for any free one; undefined: none. */
  readonly metricsPort?: number | undefined;
  readonly timing?: Partial<CollectorTiming>;
  /** Seeds segment hashes, the same as at the edge. Undefined: KV events do not become claims. */
  readonly hashSecret?: string | undefined;
  /** Folder to keep tables of pods' caches in over restarts. Undefined: they are built anew each time. */
  readonly stateDir?: string | undefined;
  /** Share of one core for checking what models wrote; 0: nothing is checked, and all of it claimed. */
  readonly checkCoreShare?: number | undefined;
  /** Variables that `apiKeyEnv` fields of the endpoints file name. */
  readonly env?: Readonly<Record<string, string | undefined>>;
};

export type Collector = {
  /** Where the collector's own metrics are, if they are served. */
  readonly metricsUrl: string | undefined;
  /** Ends everything at once; the pods stay known to the edge. */
  close(): Promise<void>;
};

/** Starts a collector. Rejects where the endpoints file is wrong from the start or the metrics port is taken. */
export async function startCollector(options: CollectorOptions): Promise<Collector> {
  const timing = { ...DEFAULT_TIMING, ...options.timing };
  const { log, source, edgeUrl, cluster } = options;
  const instance = randomBytes(8).toString("hex");
  const pods = new Map<string, Pod>();
  const counts = noTranslationCounts();
  const metrics = createCollectorMetrics(() => ({
    pods: countByState(pods.values()),
    indexes: countByIndex(pods.values()),
    translation: counts,
    tables: sink.sizes,
  }));
  const http = new HttpRequests();
  const abort = new AbortController();
  const nowMs = Date.now;
  const edge = new EdgeRequests({
    edgeUrl,
    cluster,
    key: await importHmacKey(options.clusterKey),
    timeoutMs: timing.pushTimeoutMs,
    http,
    nowMs,
    signal: abort.signal,
  });
  let models: readonly EndpointsModel[] = [];
  const state =
    options.stateDir === undefined
      ? undefined
      : {
          folder: await StateFolder.open(options.stateDir, nowMs()),
          saveEveryMs: timing.saveEveryMs,
        };
  const tokenizers = new TokenizerStore();
  const { hashSecret } = options;
  const handshakes = new Handshakes({
    models: () => models,
    hashSecret,
    renderings: new RenderingSource({ edge, freshMs: timing.renderingFreshMs, retryMs: timing.proveRetryMs, nowMs }),
    tokenizers,
    everyMs: timing.proveEveryMs,
    retryMs: timing.proveRetryMs,
    onChange: (name) => feeds.podChanged(name, pods.get(name)?.baseModel),
    nowMs,
    log,
  });
  const sink = new EventTranslator({
    models: () => models,
    hashSecret,
    hasher: await loadSegmentHasher(),
    tokenizers,
    rendererProof: (pod) => handshakes.proofOf(pod),
    limits: BLOCK_LIMITS,
    counts,
    state,
    nowMs,
    emit: (change) => feeds.addClaim(change),
    onWaiting: (name) => feeds.claimsWait(name),
    checkCoreShare: options.checkCoreShare ?? CHECK_CORE_SHARE,
    log,
  });
  const feeds = new Feeds({
    source,
    instance,
    timing,
    spoolBytes: SPOOL_BYTES,
    messageClaimBytes: MESSAGE_CLAIM_BYTES,
    post: (message) => sendPush(edge, message),
    pods: () => pods.values(),
    onResync: (name) => {
      const pod = pods.get(name);
      if (pod !== undefined) sink.onResync(name, pod.epoch);
    },
    onCheck: (name) => {
      const pod = pods.get(name);
      if (pod !== undefined) sink.onCheck(name, pod.epoch);
    },
    gather: (name, roomBytes) => sink.collect(name, roomBytes),
    nowMs,
    random: Math.random,
    metrics,
    log,
  });

  const add = (endpoint: Endpoint) => {
    const pod = new Pod({
      endpoint,
      timing,
      bootId: randomBytes(4).toString("hex"),
      sink,
      handshakes,
      onChange: () => feeds.podChanged(pod.name, pod.baseModel),
      http,
      metrics,
      log,
      nowMs,
    });
    pods.set(pod.name, pod);
    log.info({ pod: pod.name, url: endpoint.url }, "following");
  };
  const remove = async (pod: Pod) => {
    pods.delete(pod.name);
    log.info({ pod: pod.name }, "following no more");
    feeds.podChanged(pod.name, undefined);
    sink.onGone(pod.name);
    handshakes.forget(pod.name);
    await pod.close();
  };
  const follow = (file: Endpoints) => {
    const wanted = new Map(file.endpoints.map((endpoint) => [endpoint.podName, endpoint]));
    // Which model a pod serves shows only later: with other models everything begins anew.
    const otherModels = !isSame(models, file.models);
    models = file.models;
    for (const pod of pods.values()) {
      if (otherModels || !isSame(pod.endpoint, wanted.get(pod.name))) void remove(pod);
    }
    for (const [name, endpoint] of wanted) if (!pods.has(name)) add(endpoint);
  };

  let server: MetricsServer | undefined;
  if (options.metricsPort !== undefined) server = await startMetricsServer(metrics.registry, options.metricsPort);
  const watch = await EndpointsWatch.open({
    file: options.endpointsFile,
    env: options.env ?? {},
    onEndpoints: follow,
    log,
  }).catch(async (error: unknown) => {
    await server?.close();
    http.close();
    throw error;
  });

  return {
    metricsUrl: server?.url,
    async close() {
      watch.close();
      feeds.close();
      abort.abort();
      await sink.close();
      await Promise.all([...pods.values()].map((pod) => pod.close()));
      await server?.close();
      http.close();
    },
  };
}

function countByState(pods: Iterable<Pod>): Record<Pod["state"], number> {
  const counts = { ready: 0, unready: 0, unknown: 0 };
  for (const pod of pods) counts[pod.state]++;
  return counts;
}

function countByIndex(pods: Iterable<Pod>): IndexCount[] {
  const counts = new Map<string, IndexCount>();
  for (const pod of pods) {
    const index = pod.index;
    if (index === undefined) continue;
    const { mode, reason = "" } = index;
    const key = `${mode} ${reason}`;
    counts.set(key, { mode, reason, pods: (counts.get(key)?.pods ?? 0) + 1 });
  }
  return [...counts.values()];
}

function isSame(before: unknown, after: unknown): boolean {
  return JSON.stringify(before) === JSON.stringify(after);
}

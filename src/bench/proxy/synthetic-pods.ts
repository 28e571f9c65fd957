import { importHmacKey } from "../../protocol/hmac-key.ts";
import { encodePush } from "../../protocol/push-codec.ts";
import type { ClaimChange, PodReport } from "../../protocol/push-message.ts";
import { PUSH_SCHEMA, pushReplySchema } from "../../protocol/push-message.ts";
import { PUSH_HEADERS, signRequest } from "../../protocol/push-signature.ts";

const PUSH_PATH = "/collector/v1/push";

/** A cluster that exists only in its pushes. */
export type SyntheticCluster = {
  readonly edgeUrl: string;
  readonly cluster: string;
  readonly clusterKey: string;
  readonly model: string;
  readonly pods: number;
  /** Every pod is reported at this address. */
  readonly podUrl: string;
  readonly capacityTokens: number;
  /** What the pods' caches hold that they did not hold at the push before; without it they publish no events. */
  readonly claims?: () => ClaimChange[];
};

/** The epoch of every synthetic pod. */
export const SYNTHETIC_EPOCH = "bench";

/** The name of a synthetic pod in its cluster. */
export function syntheticPodName(index: number): string {
  return `default/engine-${index}/8000`;
}

/** Reports the cluster's pods as a collector does, again and again. */
export type SyntheticPods = { readonly stop: () => Promise<void> };

/** Sends the first push, then keeps pushing at the pace the edge asks for. Rejects if the first one is refused. */
export async function reportPods(options: SyntheticCluster): Promise<SyntheticPods> {
  const key = await importHmacKey(options.clusterKey);
  const instance = crypto.randomUUID();
  let sequence = 0;
  const push = async (): Promise<number> => {
    sequence++;
    const pods = Array.from({ length: options.pods }, (_, i) => podReport(options, i));
    const message = {
      schema: PUSH_SCHEMA,
      model: options.model,
      source: "bench",
      instance,
      sequence,
      pods,
      claims: options.claims?.() ?? [],
    };
    const body = await encodePush({ ...message, schema: PUSH_SCHEMA });
    const timeMs = Date.now();
    const answer = await fetch(`${options.edgeUrl}${PUSH_PATH}`, {
      method: "POST",
      headers: {
        "content-type": "application/msgpack",
        [PUSH_HEADERS.cluster]: options.cluster,
        [PUSH_HEADERS.timeMs]: String(timeMs),
        [PUSH_HEADERS.signature]: await signRequest(key, { method: "POST", path: PUSH_PATH, timeMs, body }),
      },
      body,
    });
    if (!answer.ok) throw new Error(`the push was answered ${answer.status}: ${await answer.text()}`);
    return pushReplySchema.parse(await answer.json()).nextPushMs;
  };
  const stopped = new AbortController();
  let nextMs = await push();
  const pushing = (async () => {
    while (!stopped.signal.aborted) {
      await pause(nextMs, stopped.signal);
      // As for a collector, a lost push is made good by the next one.
      if (!stopped.signal.aborted) nextMs = await push().catch(() => nextMs);
    }
  })();
  return {
    async stop() {
      stopped.abort();
      await pushing;
    },
  };
}

function podReport({ podUrl, model, capacityTokens }: SyntheticCluster, index: number): PodReport {
  return {
    name: syntheticPodName(index),
    epoch: SYNTHETIC_EPOCH,
    url: podUrl,
    engine: "vllm",
    engineVersion: "0.23.0",
    state: "ready",
    servedModels: [model],
    maxModelLen: 131_072,
    capacityTokens,
    blockTokens: 16,
    sample: { ageMs: 100, running: 4, waiting: 0, kvUsage: 0.5 },
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

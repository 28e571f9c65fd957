import type { IngestReply } from "../../durable/model-router.ts";
import { decodePush } from "../protocol/push-codec.ts";
import type { PodReport, PushMessage } from "../protocol/push-message.ts";
import type { Settings } from "../settings/settings.ts";
import { authenticatedCluster } from "./collector-auth.ts";
import type { Env } from "./env.ts";
import { digestOf } from "./model-rendering.ts";
import { findModel } from "./model-resolution.ts";
import { routerStub } from "./placement.ts";
import { Refusal } from "./refusal.ts";
import { holdBody } from "./request-body.ts";

const MOST_INFLATED_BYTES = 16 * 1024 * 1024;

/**
 * Takes a collector's push: checks its signature against the keys of the cluster it names, its shape, and hands it to
 * the model's router. Only then is the Durable Object touched.
 */
export async function takePush(request: Request, env: Env, settings: Settings): Promise<Response> {
  const held = await holdBody(request, settings.limits);
  try {
    const cluster = await authenticatedCluster(request, held.bytes, env, settings);
    const decoded = await decodePush(held.bytes, MOST_INFLATED_BYTES);
    if (!decoded.ok) throw new Refusal("push_malformed", decoded.error.message);
    const model = findModel(decoded.push.model, settings);
    if (model === undefined) {
      throw new Refusal("model_not_found", `The model \`${decoded.push.model}\` is not in the edge's settings.`, {
        param: "model",
      });
    }
    const stub = routerStub(env, model.base, model.settings.region);
    const push = withProvenIndexes(decoded.push, await digestOf(model.settings, env));
    const taken = (await stub.ingest({ cluster, push })) as unknown as IngestReply;
    if (!taken.ok) throw new Refusal("push_replayed", "This push, or a later one, was taken before.");
    return Response.json(taken.reply);
  } finally {
    held.release();
  }
}

/** What was proven with another rendering than the one in force is not proven. */
function withProvenIndexes(push: PushMessage, digest: string): PushMessage {
  const isProven = ({ index }: PodReport): boolean =>
    index === undefined || index.mode === "approximate" || index.rendering === digest;
  if (push.pods.every(isProven)) return push;
  const index = { mode: "approximate", reason: "rendering_changed" } as const;
  return { ...push, pods: push.pods.map((pod) => (isProven(pod) ? pod : { ...pod, index })) };
}

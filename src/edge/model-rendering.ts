import { type ModelRendering, renderingDigest } from "../protocol/model-rendering.ts";
import type { ModelSettings, Settings } from "../settings/settings.ts";
import { authenticatedCluster } from "./collector-auth.ts";
import { type Env, hashSecret } from "./env.ts";
import { findModel } from "./model-resolution.ts";
import { Refusal } from "./refusal.ts";

const digests = new WeakMap<ModelSettings, Promise<string>>();

/** Tells a collector how a model's requests become hashed text, for it to prove against the model's engines. */
export async function describeRendering(
  name: string,
  request: Request,
  env: Env,
  settings: Settings,
): Promise<Response> {
  await authenticatedCluster(request, new Uint8Array(0), env, settings);
  const model = findModel(name, settings)?.settings;
  if (model === undefined) {
    throw new Refusal("model_not_found", `The model \`${name}\` is not in the edge's settings.`, { param: "model" });
  }
  const { segmentBytes, prompt } = model;
  const rendering: ModelRendering = { model: model.name, segmentBytes, prompt, digest: await digestOf(model, env) };
  return Response.json(rendering);
}

/** Names the rendering that is in force for a model. */
export function digestOf(model: ModelSettings, env: Env): Promise<string> {
  let digest = digests.get(model);
  if (digest === undefined) {
    const { name, segmentBytes, prompt } = model;
    digest = renderingDigest(hashSecret(env), { model: name, segmentBytes, prompt });
    digests.set(model, digest);
  }
  return digest;
}

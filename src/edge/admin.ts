import { equalInConstantTime } from "../protocol/api-key.ts";
import type { ModelSettings, Settings } from "../settings/settings.ts";
import type { Env } from "./env.ts";
import { findModel } from "./model-resolution.ts";
import { routerStub } from "./placement.ts";
import { Refusal } from "./refusal.ts";

/** Refuses a request that does not carry the admin key. Without one in the deployment, the admin API does not exist. */
export async function requireAdmin(authorization: string | undefined, env: Env): Promise<void> {
  if (env.WARMPATH_ADMIN_KEY === undefined || env.WARMPATH_ADMIN_KEY === "") {
    throw new Refusal("unknown_path", "The admin API is off: the deployment has no WARMPATH_ADMIN_KEY.");
  }
  const token = authorization?.startsWith("Bearer ") ? authorization.slice(7).trim() : "";
  if (!(await equalInConstantTime(token, env.WARMPATH_ADMIN_KEY))) {
    throw new Refusal("bad_key", "Wrong admin key. Send the deployment's WARMPATH_ADMIN_KEY as a bearer token.");
  }
}

/** What a model's router knows: its pods with their counts, its leases, what it has learned. */
export async function inspectModel(name: string, env: Env, settings: Settings): Promise<Response> {
  const model = findModel(name, settings);
  if (model === undefined) throw new Refusal("model_not_found", `The model \`${name}\` is not in the settings.`);
  return Response.json(await routerStub(env, model.base, model.settings.region).inspect());
}

/** Has a model's router begin anew, as a deploy does: what cannot be restored is fetched or adopted again. */
export async function resetRouter(name: string, env: Env, settings: Settings): Promise<Response> {
  const model = findModel(name, settings);
  if (model === undefined) throw new Refusal("model_not_found", `The model \`${name}\` is not in the settings.`);
  try {
    await routerStub(env, model.base, model.settings.region).reset();
  } catch {
    // The call ends with the instance that took it: this is how a reset answers.
  }
  return Response.json({ reset: model.base });
}

/** What a pod's events confirm that it has cached: segment hashes as 16 hex digits, by tier. */
export async function listClaims(name: string, podId: string, env: Env, settings: Settings): Promise<Response> {
  const model = findModel(name, settings);
  if (model === undefined) throw new Refusal("model_not_found", `The model \`${name}\` is not in the settings.`);
  const claims = await routerStub(env, model.base, model.settings.region).confirmedClaims({ podId });
  if (claims === undefined) throw new Refusal("pod_not_found", `The router of \`${name}\` knows no pod \`${podId}\`.`);
  return Response.json({ pod: podId, gpu: hexHashes(claims.gpu), host: hexHashes(claims.host) });
}

function hexHashes(words: Uint32Array): string[] {
  const digits = (word: number) => word.toString(16).padStart(8, "0");
  return Array.from({ length: words.length / 2 }, (_, i) => {
    return digits(words[2 * i + 1] as number) + digits(words[2 * i] as number);
  });
}

/** The models of the settings, without anything secret. */
export function listModelSettings(settings: Settings): Response {
  const models = settings.models.map(({ name, aliases, adapters, policy, segmentBytes, region }: ModelSettings) => ({
    name,
    aliases,
    adapters,
    policy,
    segmentBytes,
    region: region ?? null,
  }));
  return Response.json({ models });
}

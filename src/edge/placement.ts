import type { ModelRouter } from "../../durable/model-router.ts";
import type { BaseModel } from "../protocol/identifiers.ts";
import type { Env } from "./env.ts";

/**
 * The name of the ModelRouter that answers for a model: base model, region and shard. Today every request of a model
 * goes to one region and shard 0; both are in the name so that adding more moves nothing.
 */
export function routerName(base: BaseModel, region: string | undefined): string {
  return `${base}|${region ?? "auto"}|0`;
}

/** A stub for a model's router. Make a new one for each attempt: the stub of a reset object never works again. */
export function routerStub(env: Env, base: BaseModel, region: string | undefined): DurableObjectStub<ModelRouter> {
  const options = region === undefined ? {} : { locationHint: region as DurableObjectLocationHint };
  return env.MODEL_ROUTER.getByName(routerName(base, region), options);
}

import type { GivenRules } from "../routing/routing-rules.ts";
import type { ModelSettings } from "../settings/settings.ts";

const texts = new WeakMap<ModelSettings, string>();

/** A model's rules for queue, health and recorded decisions as a router takes them: JSON text, the same one for the same settings. */
export function routingRulesText(model: ModelSettings): string {
  let text = texts.get(model);
  if (text === undefined) {
    const { holdWithoutPods, ...queue } = model.queue;
    const rules = {
      queue: holdWithoutPods === false ? { ...queue, holdWithoutPodsMs: 0 } : queue,
      health: model.health,
      decisions: model.decisions,
    };
    text = JSON.stringify(rules satisfies JsonOf<GivenRules>);
    texts.set(model, text);
  }
  return text;
}

/** The same before its JSON is made: what is undefined is left out of it. */
type JsonOf<Value> = { readonly [Name in keyof Value]: PartOf<NonNullable<Value[Name]>> };
type PartOf<Part> = { readonly [Name in keyof Part]?: Part[Name] | undefined };

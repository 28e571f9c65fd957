import { type PromptRenderer, promptRenderer, type RenderedPrompt } from "../prefix/prompt-renderer.ts";
import type { ModelSettings } from "../settings/settings.ts";
import type { GenerationRequest } from "./generation-request.ts";
import { Refusal } from "./refusal.ts";

const renderers = new WeakMap<ModelSettings, PromptRenderer>();

/** Renders a request's prompt as its model's settings say. Templates are compiled once. */
export function renderPrompt({ endpoint, body }: GenerationRequest, model: ModelSettings): RenderedPrompt {
  let render = renderers.get(model);
  if (render === undefined) {
    render = rendererOf(model);
    renderers.set(model, render);
  }
  return render(endpoint, body);
}

function rendererOf({ name, prompt }: ModelSettings): PromptRenderer {
  const made = promptRenderer(prompt, () => new Date());
  if (made.ok) return made.render;
  throw new Refusal("misconfigured", `The chat template of the model \`${name}\` does not compile: ${made.message}`);
}

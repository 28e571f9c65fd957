import type { PromptSettings } from "../protocol/prompt-settings.ts";
import { completionPrompts } from "./completion-prompt.ts";
import type { RendererResult } from "./prompt-text.ts";
import type { WallClock } from "./python/strftime.ts";
import type { Dict } from "./python/value.ts";
import { harmonyRenderer } from "./renderers/harmony/renderer.ts";
import { jinjaRenderer } from "./renderers/jinja.ts";
import { renderPlain } from "./renderers/plain.ts";
import { compileTextForm, plainTextForm } from "./text-form.ts";

/** A request's prompt as text in the form its token ids would spell, or why there is none. */
export type RenderedPrompt =
  | {
      readonly ok: true;
      readonly text: string;
      /** Bytes of further prompts of a batch: only the first one is looked up. */
      readonly furtherBytes: number;
      /** Why the text only stands for what the engine tokenizes. */
      readonly approximate: string | undefined;
    }
  | { readonly ok: false; readonly reason: string };

/** Renders a request's body, as `parseJson` reads it. */
export type PromptRenderer = (endpoint: "chat" | "completions", body: Dict) => RenderedPrompt;

/**
 * How a model's requests become text, as its settings say: the one way that the edge hashes by and the collector proves.
 * Compiles the template once. Not ok where it does not compile.
 */
export function promptRenderer(
  prompt: PromptSettings,
  clock: WallClock,
): { readonly ok: true; readonly render: PromptRenderer } | { readonly ok: false; readonly message: string } {
  const chat = chatRenderer(prompt, clock);
  if (!chat.ok) return chat;
  const form = compileTextForm((prompt.renderer === "none" ? undefined : prompt.textForm) ?? plainTextForm);
  const whole = prompt.renderer === "none" ? "plain_renderer" : undefined;
  const render: PromptRenderer = (endpoint, body) => {
    const batch = endpoint === "completions" ? completionPrompts(body) : undefined;
    const rendered = batch ?? chat.renderer(body);
    if (!rendered.ok) return { ok: false, reason: rendered.reason };
    const asked = body.get("add_special_tokens");
    const addSpecialTokens = typeof asked === "boolean" ? asked : endpoint === "completions";
    const further = batch?.ok ? batch.further : [];
    return {
      ok: true,
      text: form(rendered.text, { addSpecialTokens }),
      furtherBytes: further.reduce((sum, { length }) => sum + length, 0),
      approximate: rendered.approximate ?? whole,
    };
  };
  return { ok: true, render };
}

function chatRenderer(prompt: PromptSettings, clock: WallClock): RendererResult {
  switch (prompt.renderer) {
    case "none":
      return { ok: true, renderer: renderPlain };
    case "harmony":
      return { ok: true, renderer: harmonyRenderer({}, clock) };
    case "jinja": {
      const { template, specialTokens, rules } = prompt;
      return jinjaRenderer({ template, specialTokens, rules }, clock);
    }
  }
}

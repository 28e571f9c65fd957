import type { ApproximateReason } from "./chat/approximation.ts";
import type { UnrenderableReason } from "./chat/unrenderable.ts";
import type { Dict } from "./python/value.ts";

/** The text of a request's prompt, or why there is none. */
export type RenderResult =
  | {
      readonly ok: true;
      readonly text: string;
      /** The text only stands for the prompt: equal beginnings are equal, but it is not what the engine tokenizes. */
      readonly approximate?: ApproximateReason;
    }
  | Unrendered;

/** There is no text for the request. `message` may quote the prompt: it is not for logs. */
export type Unrendered = {
  readonly ok: false;
  readonly reason: UnrenderableReason;
  readonly message: string;
};

/** Renders a chat request's body, as `parseJson` reads it. Pure but for the clock it was made with. */
export type Renderer = (body: Dict) => RenderResult;

/** A renderer, or why there is none for these settings. */
export type RendererResult =
  | { readonly ok: true; readonly renderer: Renderer }
  | { readonly ok: false; readonly message: string };

/** A rendered text as a result. A lone surrogate has no UTF-8, so the engine has no token ids for it. */
export function renderResult(text: string, approximate: ApproximateReason | undefined): RenderResult {
  if (!text.isWellFormed()) return { ok: false, reason: "lone_surrogate", message: "the text holds a lone surrogate" };
  return approximate === undefined ? { ok: true, text } : { ok: true, text, approximate };
}

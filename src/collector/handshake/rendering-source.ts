import { type ModelRendering, modelRenderingSchema, RENDERINGS_PATH } from "../../protocol/model-rendering.ts";
import type { EdgeRequests } from "../push/edge-requests.ts";

/** How the edge renders a model, or why that is not known. */
export type RenderingAnswer =
  | { readonly ok: true; readonly rendering: ModelRendering }
  | { readonly ok: false; readonly message: string };

type Known = { readonly answer: RenderingAnswer; readonly askAgainAtMs: number };

export type RenderingSourceOptions = {
  readonly edge: Pick<EdgeRequests, "send">;
  /** How long an answer stands. */
  readonly freshMs: number;
  /** Time to the next try where there was none. */
  readonly retryMs: number;
  readonly nowMs: () => number;
};

/** Asks the edge how it renders models, and remembers what it said. */
export class RenderingSource {
  readonly #options: RenderingSourceOptions;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<RenderingAnswer>>();

  constructor(options: RenderingSourceOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  get(model: string): Promise<RenderingAnswer> {
    const known = this.#known.get(model);
    if (known !== undefined && this.#options.nowMs() < known.askAgainAtMs) return Promise.resolve(known.answer);
    const asking = this.#asking.get(model) ?? this.#ask(model);
    this.#asking.set(model, asking);
    return asking;
  }

  async #ask(model: string): Promise<RenderingAnswer> {
    const { freshMs, retryMs, nowMs } = this.#options;
    const asked = await this.#request(model);
    // While the edge does not answer, it renders as it last said: should it not, it takes nothing for proven.
    const before = this.#known.get(model)?.answer;
    const answer = !asked.ok && before?.ok ? before : asked;
    this.#known.set(model, { answer, askAgainAtMs: nowMs() + (asked.ok ? freshMs : retryMs) });
    this.#asking.delete(model);
    return answer;
  }

  async #request(model: string): Promise<RenderingAnswer> {
    const path = `${RENDERINGS_PATH}${encodeURIComponent(model)}`;
    const answer = await this.#options.edge.send({ method: "GET", path });
    if (answer.kind === "unreachable") return { ok: false, message: answer.reason };
    if (answer.status !== 200) return { ok: false, message: `the edge answered ${answer.status}` };
    try {
      return { ok: true, rendering: modelRenderingSchema.parse(JSON.parse(answer.text)) };
    } catch (error) {
      return { ok: false, message: `the edge's answer cannot be read: ${String(error)}` };
    }
  }
}

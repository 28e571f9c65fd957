import type { Logger } from "pino";
import { promptRenderer } from "../../prefix/prompt-renderer.ts";
import { type ModelRendering, renderingDigest } from "../../protocol/model-rendering.ts";
import type { EngineApi } from "../engine-api.ts";
import type { EventPod, IndexState } from "../kv-event-sink.ts";
import type { TranslatedModel } from "../translate/event-translator.ts";
import type { TokenizerStore } from "../translate/tokenizer/tokenizer-store.ts";
import { engineTokens } from "./engine-tokens.ts";
import { proveRendering } from "./prove-rendering.ts";
import type { RenderingSource } from "./rendering-source.ts";

export type HandshakesOptions = {
  readonly models: () => readonly TranslatedModel[];
  readonly hashSecret: string | undefined;
  readonly renderings: RenderingSource;
  readonly tokenizers: TokenizerStore;
  /** How long a verdict stands. */
  readonly everyMs: number;
  /** Time to the next try where one came to no verdict. */
  readonly retryMs: number;
  /** A pod has another verdict now. */
  readonly onChange: (pod: string) => void;
  readonly nowMs: () => number;
  readonly log: Logger;
};

/** What was found for one state of a pod. */
type Verdict = {
  /** The state of the pod it was found for. */
  readonly of: string;
  readonly index: IndexState;
  readonly dueAtMs: number;
};

const UNPROVEN: IndexState = { mode: "approximate", reason: "renderer_unproven" };

/** What asking a pod came to. What does not stand is asked for again soon. */
type Outcome = { readonly index: IndexState; readonly stands: boolean };

/**
 * Earns `exact`: asks each pod's engine what it tokenizes for a set of probes and compares that with what the edge
 * hashes. A verdict holds for one model, engine version, epoch and rendering, and for an hour.
 */
export class Handshakes {
  readonly #options: HandshakesOptions;
  readonly #verdicts = new Map<string, Verdict>();
  readonly #running = new Set<string>();

  constructor(options: HandshakesOptions) {
    this.#options = options;
  }

  /** Whether the edge's text is proven to be what the pod's engine tokenizes, as last found. */
  proofOf(pod: EventPod): IndexState {
    const verdict = this.#verdicts.get(pod.name);
    return verdict?.of.startsWith(`${stateOf(pod)}\n`) ? verdict.index : UNPROVEN;
  }

  /** Looks whether a pod is to be asked, and asks it then. Called now and then; never rejects. */
  async consider(pod: EventPod, api: EngineApi): Promise<void> {
    const { models, hashSecret, renderings, nowMs, everyMs, retryMs, onChange } = this.#options;
    const model = models().find(({ name }) => pod.servedModels.includes(name));
    if (model === undefined || hashSecret === undefined || this.#running.has(pod.name)) return;
    this.#running.add(pod.name);
    try {
      const answer = await renderings.get(model.name);
      const of = `${stateOf(pod)}\n${answer.ok ? answer.rendering.digest : ""}`;
      const last = this.#verdicts.get(pod.name);
      if (last?.of === of && nowMs() < last.dueAtMs) return;
      const outcome = answer.ok
        ? await this.#ask(pod, api, model, answer.rendering, hashSecret)
        : unknownFor("edge_rendering_unknown");
      // What could not be asked again stands as it was.
      const index = outcome.stands || last?.of !== of ? outcome.index : last.index;
      this.#verdicts.set(pod.name, { of, index, dueAtMs: nowMs() + (outcome.stands ? everyMs : retryMs) });
      if (last?.index.mode !== index.mode || last.index.reason !== index.reason) onChange(pod.name);
    } finally {
      this.#running.delete(pod.name);
    }
  }

  forget(pod: string): void {
    this.#verdicts.delete(pod);
  }

  async #ask(
    pod: EventPod,
    api: EngineApi,
    model: TranslatedModel,
    rendering: ModelRendering,
    hashSecret: string,
  ): Promise<Outcome> {
    const { tokenizers, log } = this.#options;
    if ((await renderingDigest(hashSecret, rendering)) !== rendering.digest) return refuted("hash_secret_differs");
    if (rendering.segmentBytes !== model.segmentBytes) return refuted("segment_bytes_differ");
    if (rendering.prompt.renderer === "none") return refuted("plain_renderer");
    // Dates in prompts are the edge's, whose zone is UTC: an engine in another one is found out.
    const made = promptRenderer(rendering.prompt, () => new Date());
    if (!made.ok) return refuted("template_does_not_compile");
    const tokenizer = await tokenizers.load(model.tokenizerFile);
    if (!tokenizer.ok) return unknownFor("no_vocabulary");
    const proof = await proveRendering({
      render: made.render,
      tokenBytes: tokenizer.tokenBytes,
      ask: (probe) => engineTokens(api, probe, pod.baseModel),
    });
    switch (proof.kind) {
      case "proven":
        log.info({ pod: pod.name, model: model.name }, "the engine tokenizes what the edge hashes");
        return { index: { mode: "exact", rendering: rendering.digest }, stands: true };
      case "refuted":
        log.warn({ pod: pod.name, probes: proof.probes }, "the engine tokenizes other text than the edge hashes");
        return refuted(`probes_differ:${proof.probes.join("+")}`);
      case "untold":
        return refuted("engine_cannot_be_asked");
      case "failed":
        log.warn({ pod: pod.name, fault: proof.message }, "the engine could not be asked what it tokenizes");
        return unknownFor("renderer_unproven");
    }
  }
}

function stateOf({ baseModel, engine, engineVersion, epoch }: EventPod): string {
  return `${baseModel}\n${engine}\n${engineVersion ?? ""}\n${epoch}`;
}

function refuted(reason: string): Outcome {
  return { index: { mode: "approximate", reason }, stands: true };
}

function unknownFor(reason: string): Outcome {
  return { index: { mode: "approximate", reason }, stands: false };
}

import type { PromptRenderer } from "../../prefix/prompt-renderer.ts";
import { parseJson } from "../../prefix/python/json-parse.ts";
import type { TokenBytes } from "../translate/token-bytes.ts";
import type { EngineTokens } from "./engine-tokens.ts";
import { PROBES, type Probe } from "./probes.ts";

/** What asking an engine for all probes came to. */
export type RenderingProof =
  | { readonly kind: "proven" }
  /** The edge's text is not what the engine tokenizes. `probes` are the names of those that show it. */
  | { readonly kind: "refuted"; readonly probes: readonly string[] }
  | { readonly kind: "untold" }
  | { readonly kind: "failed"; readonly message: string };

export type RenderingUnderTest = {
  readonly render: PromptRenderer;
  readonly tokenBytes: TokenBytes;
  readonly ask: (probe: Probe) => Promise<EngineTokens>;
};

/** Compares the edge's text with the bytes of the engine's token ids, probe by probe. */
export async function proveRendering(test: RenderingUnderTest): Promise<RenderingProof> {
  const refuting: string[] = [];
  for (const probe of PROBES) {
    let answer = await test.ask(probe);
    if (answer.kind === "untold" || answer.kind === "failed") return answer;
    if (agrees(probe, answer, test)) continue;
    // A template may print the date or the time: it can change between the edge's text and the engine's.
    answer = await test.ask(probe);
    if (answer.kind === "untold" || answer.kind === "failed") return answer;
    if (!agrees(probe, answer, test)) refuting.push(probe.name);
  }
  return refuting.length === 0 ? { kind: "proven" } : { kind: "refuted", probes: refuting };
}

function agrees(
  { endpoint, fields }: Probe,
  answer: Extract<EngineTokens, { kind: "ids" | "refused" }>,
  { render, tokenBytes }: RenderingUnderTest,
): boolean {
  if (answer.kind === "refused") return true;
  const body = parseJson(fields);
  if (!body.ok || !(body.value instanceof Map)) throw new Error(`a probe is no JSON object: ${fields}`);
  const rendered = render(endpoint, body.value);
  if (!rendered.ok || rendered.approximate !== undefined) return false;
  return Buffer.from(rendered.text, "utf8").equals(tokenBytes.spell(answer.ids));
}

/**
 * How an engine turns a chat request into the values its template sees. Both sets were recorded from vLLM's own
 * functions: `main` at 017e9f4448 (2026-08-17), `v0.10.0` at 6d8d0a24c0 (2025-07-24).
 */
export type MessageRules = {
  /** The model's thinking in earlier answers: hidden from the template, or given as `reasoning` and `reasoning_content`. */
  readonly reasoning: "hidden" | "both_names";
  readonly emptyToolCalls: "kept" | "dropped";
  /**
   * Arguments of tool calls. `lenient`: what is missing, empty or null is `{}`. `json_text`: always through the JSON
   * reader, which refuses the empty text.
   */
  readonly toolArguments: "lenient" | "json_text";
  /** Keys of tools and functions that the API does not define. `strict` is one where they are kept. */
  readonly unknownToolKeys: "kept" | "dropped";
  readonly emptyTools: "accepted" | "refused";
  /** Keys of content parts beside `type` and the text, where templates see the parts. */
  readonly unknownPartKeys: "kept" | "dropped";
  /** Content parts that are plain strings, where templates see the parts. */
  readonly plainParts: "kept" | "wrapped";
  /** Results of tools given in parts, where templates see the parts. */
  readonly toolResultParts: "kept" | "joined";
  /** A developer message, where the template does not know the role. */
  readonly developerRole: "kept" | "made_system";
  /** Which wins where the request's fields and `chat_template_kwargs` name the same argument. */
  readonly argumentPrecedence: "fields" | "template_kwargs";
};

/** The rule sets by name. */
export const messageRules = {
  main: {
    reasoning: "both_names",
    emptyToolCalls: "dropped",
    toolArguments: "lenient",
    unknownToolKeys: "dropped",
    emptyTools: "refused",
    unknownPartKeys: "kept",
    plainParts: "wrapped",
    toolResultParts: "joined",
    developerRole: "made_system",
    argumentPrecedence: "fields",
  },
  "v0.10.0": {
    reasoning: "hidden",
    emptyToolCalls: "kept",
    toolArguments: "json_text",
    unknownToolKeys: "kept",
    emptyTools: "accepted",
    unknownPartKeys: "dropped",
    plainParts: "kept",
    toolResultParts: "kept",
    developerRole: "kept",
    argumentPrecedence: "template_kwargs",
  },
} as const satisfies Readonly<Record<string, MessageRules>>;

/** The name of a rule set, for settings. */
export type MessageRulesName = keyof typeof messageRules;

/**
 * The rule set nearest to a vLLM version (as `/version` reports it, `0.10.2` or `0.11.1rc2.dev3`). The rules changed
 * one by one from late 2025 to mid 2026, so a version in between follows some of each: only probes of the engine
 * itself can tell.
 */
export function rulesForEngine(version: string): MessageRulesName {
  // A build without tags calls itself 0.1.dev1: nothing to go by.
  const release = /^v?0\.([0-9]+)\.[0-9]/.exec(version);
  return release !== null && Number(release[1]) <= 11 ? "v0.10.0" : "main";
}

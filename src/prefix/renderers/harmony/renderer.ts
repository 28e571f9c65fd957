import { approximateReason } from "../../chat/approximation.ts";
import { messageRules } from "../../chat/message-rules.ts";
import { normalizeTools } from "../../chat/tools.ts";
import { Unrenderable } from "../../chat/unrenderable.ts";
import { type Renderer, type RenderResult, renderResult } from "../../prompt-text.ts";
import { strftime, type WallClock } from "../../python/strftime.ts";
import type { Dict, Value } from "../../python/value.ts";
import { type HarmonyMessage, harmonyConversation } from "./conversation.ts";
import { type HarmonyTool, toolNamespace } from "./tool-namespace.ts";

/** What a server that runs a gpt-oss model may have set. */
export type HarmonySettings = {
  /** The date in the system message where the server pins it (`VLLM_SYSTEM_START_DATE`); left out: today. */
  readonly startDate?: string;
  /** The server's `--exclude-tools-when-tool-choice-none`. */
  readonly excludeToolsForChoiceNone?: boolean;
};

/**
 * Renderer `harmony`: the format of gpt-oss models, which vLLM writes without a chat template.
 *
 * Checked against sources, not against recorded prompts: the message format, the tool namespace and the order of
 * header fields against openai/harmony 0.0.8 (src/encoding.rs) and its docs/format.md; how chat messages become
 * harmony messages against vLLM's harmony_utils.py of mid 2026. Earlier vLLM versions leave out the commentary channel
 * without tools and always send a developer message: an engine's own answers decide whether this is exact for it.
 */
export function harmonyRenderer(settings: HarmonySettings, clock: WallClock): Renderer {
  return (body) => {
    try {
      return rendered(body, settings, clock);
    } catch (error) {
      if (error instanceof Unrenderable) return { ok: false, reason: error.reason, message: error.message };
      throw error;
    }
  };
}

function rendered(body: Dict, settings: HarmonySettings, clock: WallClock): RenderResult {
  if (body.get("continue_final_message") === true) {
    throw new Unrenderable("continue_final_message", "continuing a message is not known for harmony");
  }
  const excluded = settings.excludeToolsForChoiceNone === true && body.get("tool_choice") === "none";
  const tools = excluded ? [] : functionTools(body);
  const { instructions, messages } = harmonyConversation(body.get("messages"));
  const date = settings.startDate ?? strftime("%Y-%m-%d", clock());
  const developer = developerText(instructions, tools);
  const text = [
    messageText({ author: "system", text: systemText(date, reasoningEffort(body), tools.length > 0) }),
    developer === undefined ? "" : messageText({ author: "developer", text: developer }),
    ...messages.map(messageText),
    "<|start|>assistant",
  ].join("");
  return renderResult(text, approximateReason(body));
}

function messageText({ author, recipient, channel, contentType, text }: HarmonyMessage): string {
  const header = [
    author,
    recipient === undefined ? "" : ` to=${recipient}`,
    channel === undefined ? "" : `<|channel|>${channel}`,
    contentType === undefined ? "" : ` ${contentType}`,
  ].join("");
  const end = author === "assistant" && recipient !== undefined ? "<|call|>" : "<|end|>";
  return `<|start|>${header}<|message|>${text}${end}`;
}

function systemText(date: string, effort: string, withTools: boolean): string {
  const channels = "# Valid channels: analysis, commentary, final. Channel must be included for every message.";
  return [
    "You are ChatGPT, a large language model trained by OpenAI.",
    "Knowledge cutoff: 2024-06",
    `Current date: ${date}`,
    "",
    `Reasoning: ${effort}`,
    "",
    channels,
    ...(withTools ? ["Calls to these tools must go to the commentary channel: 'functions'."] : []),
  ].join("\n");
}

/** The message that opens with the caller's instructions and the tools; none where there is neither. */
function developerText(instructions: string | undefined, tools: readonly HarmonyTool[]): string | undefined {
  if ((instructions ?? "") === "" && tools.length === 0) return undefined;
  return [
    ...(instructions === undefined ? [] : ["# Instructions", instructions]),
    ...(tools.length === 0 ? [] : [toolNamespace(tools)]),
  ].join("\n\n");
}

function reasoningEffort(body: Dict): string {
  const effort = body.get("reasoning_effort") ?? "medium";
  if (effort === "low" || effort === "medium" || effort === "high") return effort;
  throw new Unrenderable("bad_field", "a reasoning effort that harmony does not have");
}

function functionTools(body: Dict): HarmonyTool[] {
  const tools = normalizeTools(body.get("tools"), messageRules.main) ?? [];
  return tools.map((tool) => {
    const definition = tool instanceof Map ? tool.get("function") : undefined;
    const field = (name: string): Value => (definition instanceof Map ? (definition.get(name) ?? null) : null);
    const parameters = field("parameters");
    return {
      name: String(field("name")),
      description: String(field("description") ?? ""),
      parameters: parameters instanceof Map ? parameters : null,
    };
  });
}

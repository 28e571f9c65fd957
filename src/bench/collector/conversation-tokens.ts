import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { loadQwenTokenizer } from "../../sim/engine/qwen-tokenizer.ts";
import { dialogueSessions } from "../traces/dialogues.ts";
import { engineText } from "../traces/engine-text.ts";
import type { LiveSession } from "../traces/live-session.ts";
import { loadSessions } from "../traces/load-sessions.ts";

/** One model call as its engine's token ids. */
export type CallTokens = { readonly prompt: Uint32Array; readonly answer: Uint32Array };

/** A conversation's calls, in order. */
export type ConversationTokens = readonly CallTokens[];

/** Conversations, and where they are from. */
export type Conversations = { readonly source: string; readonly conversations: readonly ConversationTokens[] };

/** Recorded texts that lie beside the repository where it is developed: agent runs and customer-service dialogues. */
const USUAL_TRACES = ["agent_text_a.jsonl.gz", "toolchat_text_a.jsonl.gz"].map((name) =>
  fileURLToPath(new URL(`../../../../shared/traces/${name}`, import.meta.url)),
);

const MADE_UP = {
  sessions: 120,
  turns: 8,
  systemTokens: 600,
  documentTokens: 2_500,
  questionTokens: 60,
  answerTokens: 300,
};

const LOADING = { mostTokens: 100_000, drawnRequests: 1_000 };

/** Encodes the texts of trace files; without any, of the usual ones, or of made-up dialogues where those are not there. */
export async function loadConversations(files: readonly string[], seed: number): Promise<Conversations> {
  const chosen = files.length > 0 ? files : USUAL_TRACES.filter((file) => existsSync(file));
  if (chosen.length === 0) {
    return { source: "made-up dialogues", conversations: dialogueSessions({ ...MADE_UP, seed }).map(tokensOf) };
  }
  const traces = await Promise.all(chosen.map((file) => loadSessions(file, { ...LOADING, seed })));
  return {
    source: chosen.map((file) => path.basename(file)).join(" and "),
    conversations: traces.flatMap(({ sessions }) => sessions.map(tokensOf).filter((calls) => calls.length > 0)),
  };
}

/** Calls that were not answered leave nothing to decode and are left out. */
function tokensOf({ calls }: LiveSession): ConversationTokens {
  const tokenizer = loadQwenTokenizer();
  return calls
    .map(({ prompt, answer }) => ({
      prompt: tokenizer.encode(engineText(prompt())),
      answer: answer.kind === "text" ? tokenizer.encode(answer.text) : new Uint32Array(answer.tokens),
    }))
    .filter(({ answer }) => answer.length > 0);
}
